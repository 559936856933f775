"""`/api/history/…`: what the figures were, for scripts and charts."""
