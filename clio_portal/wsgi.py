"""The WSGI application, for gunicorn and for the single mode's own server."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clio_portal.settings")
_portal = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Django, which adds the sub-path to addresses but does not take it off the asked one.

    A proxy may leave the sub-path on or take it off: both work.
    """
    from django.conf import settings

    sub_path: str = settings.PORTAL_SUB_PATH
    path: str = environ.get("PATH_INFO", "")
    if sub_path and (path == sub_path or path.startswith(f"{sub_path}/")):
        environ["PATH_INFO"] = path[len(sub_path) :] or "/"
    return _portal(environ, start_response)
