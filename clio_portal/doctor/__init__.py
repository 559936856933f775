"""What `manage.py doctor` looks at: the portal's own parts, then each node."""
