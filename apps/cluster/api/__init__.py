"""REST API of this app: the documented GET routes."""
