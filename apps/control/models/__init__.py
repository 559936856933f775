"""The tables of control; each file of this package is one concern."""
