"""The WSGI application, for gunicorn and for the single mode's own server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clio_portal.settings")
application = get_wsgi_application()
