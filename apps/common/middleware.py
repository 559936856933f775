"""What every request gets: an id, headers, one log line, and errors in the right form."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.common.client_address import client_address
from apps.common.error_views import portal_error_response
from apps.common.errors import PortalError
from apps.common.request_context import (
    REQUEST_ID_HEADER,
    RequestContext,
    request_context_set,
    request_id_of,
)

log = structlog.get_logger(__name__)
LEVELS = logging.getLogger(__name__)

LIVE_PATHS = ("/api/", "/fragments/", "/static/", "/healthz", "/readyz")


class RequestMiddleware:
    """Outermost. ``request.id`` is the caller's ``X-Request-ID`` when well formed, else new."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request_id = request_id_of(request.META.get("HTTP_X_REQUEST_ID", ""))
        request.id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            with request_context_set(_context(request, request_id)):
                response = self.get_response(request)
            headers = response.headers
            headers[REQUEST_ID_HEADER] = request_id
            headers.setdefault("Permissions-Policy", settings.PORTAL_PERMISSIONS_POLICY)
            headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
            # What one person may see is nobody else's, and may change at any moment.
            headers.setdefault("Cache-Control", "private, no-cache")
            _log_request(request, response, time.perf_counter() - started)
            return response
        finally:
            structlog.contextvars.clear_contextvars()

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A named error of a page becomes a page that says what to do."""
        return portal_error_response(request, error) if isinstance(error, PortalError) else None


def _context(request: HttpRequest, request_id: str) -> RequestContext:
    return RequestContext(
        request_id=request_id,
        address=client_address(request),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
    )


def _log_request(request: HttpRequest, response: HttpResponseBase, duration_s: float) -> None:
    """One line. Live reads come many times a second, so they are only said when they fail."""
    status = response.status_code
    live = request.method in ("GET", "HEAD") and request.path_info.startswith(LIVE_PATHS)
    if status >= 500 and not (live and status == 503):  # 503: the cluster is away, not we
        level = logging.WARNING
    else:
        level = logging.DEBUG if live else logging.INFO
    if not LEVELS.isEnabledFor(level):
        return
    log.log(
        level,
        "request",
        method=request.method,
        path=request.path,
        status=status,
        duration_ms=round(duration_s * 1000, 1),
    )
