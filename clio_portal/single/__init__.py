"""The whole portal in one process: web server, Celery worker and Celery beat."""
