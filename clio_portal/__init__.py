"""Project wiring: settings, addresses, Celery, and the single mode."""
