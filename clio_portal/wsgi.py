"""The WSGI application, for gunicorn and for the single mode's own server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from apps.common.repeats import (
    Headers,
    Question,
    answer_again,
    answer_keep,
    question_of,
)
from apps.common.request_context import REQUEST_ID_HEADER, request_id_of

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clio_portal.settings")

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]

_django = get_wsgi_application()
# A Celery worker does this by itself; a web process, which launches jobs, does not.
for name in settings.CELERY_IMPORTS:
    import_module(name)


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answers a question that was asked a moment ago with a copy, and others by Django."""
    question = question_of(environ)
    if question is None:
        return _portal(environ, start_response)
    again = answer_again(question)
    if again is not None:
        request_id = request_id_of(environ.get("HTTP_X_REQUEST_ID", ""))
        start_response(again.status, [*again.headers, (REQUEST_ID_HEADER, request_id)])
        return [again.body]
    return _answer_and_keep(question, environ, start_response)


def _answer_and_keep(
    question: Question, environ: Environ, start_response: StartResponse
) -> Iterable[bytes]:
    started: list[tuple[str, Headers]] = []

    def start(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        started.append((status, headers))
        return start_response(status, headers, exc_info)

    response = _portal(environ, start)
    answer_keep(question, *started[-1], response)
    return response


def _portal(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Django, which adds the sub-path to addresses but does not take it off the asked one.

    A proxy may leave the sub-path on or take it off: both work.
    """
    sub_path: str = settings.PORTAL_SUB_PATH
    path: str = environ.get("PATH_INFO", "")
    if sub_path and (path == sub_path or path.startswith(f"{sub_path}/")):
        environ["PATH_INFO"] = path[len(sub_path) :] or "/"
    return _django(environ, start_response)
