"""The whole portal in one command: a web server, and a child process with Celery in it."""
