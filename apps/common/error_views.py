"""Errors outside of the REST framework: JSON for every /api path, a page for all others."""

from __future__ import annotations

import sys
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE, REASON_NO_REFERER
from django.template.loader import render_to_string

from apps.common.errors import DATABASE_FAILS, RETRY_AFTER_S, DatabaseAway, PortalError
from apps.common.time import utc_now

API_PREFIX = "/api/"


def is_api(request: HttpRequest) -> bool:
    path = request.path_info
    return path.startswith(API_PREFIX) or path == API_PREFIX.rstrip("/")


def error_response(
    request: HttpRequest,
    *,
    status: int,
    code: str,
    message: str,
    remedy: str | None = None,
    extra: dict[str, Any] | None = None,
) -> HttpResponse:
    """``{"error", "code", "remedy"?, …extra}`` or the page ``error.html`` with the same."""
    if is_api(request):
        body: dict[str, Any] = {**(extra or {}), "error": message, "code": code}
        if remedy:
            body["remedy"] = remedy
        return JsonResponse(body, status=status)
    context = {"status": status, "code": code, "message": message, "remedy": remedy}
    return HttpResponse(render_to_string("error.html", context, request), status=status)


def portal_error_response(request: HttpRequest, error: PortalError) -> HttpResponse:
    return error_response(
        request,
        status=error.status,
        code=error.code,
        message=error.message,
        remedy=error.remedy,
        extra=error.extra,
    )


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_response(
        request, status=400, code="bad_request", message="The request can't be understood."
    )


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_response(
        request,
        status=403,
        code="permission_denied",
        message="Your role does not allow this.",
        remedy="Ask an administrator of the portal for a role that does.",
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_response(
        request,
        status=404,
        code="not_found",
        message=f"There is nothing at {request.path}.",
        remedy="See /api/docs for the paths of the API." if is_api(request) else None,
    )


def database_away(request: HttpRequest) -> HttpResponse:
    """The page needs no database: it knows nobody, and has no menu."""
    error = DatabaseAway()
    if is_api(request):
        response = portal_error_response(request, error)
    else:
        context = {"at": utc_now(), "code": error.code, "message": error.message}
        context |= {"status": error.status, "remedy": error.remedy}
        response = HttpResponse(render_to_string("error.html", context), status=error.status)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exc_info()[1], DATABASE_FAILS):
        return database_away(request)
    return error_response(
        request,
        status=500,
        code="internal_error",
        message="Something went wrong in the portal itself.",
        remedy=(
            "Try again; if it stays so, give the portal's administrator this request id: "
            f"{getattr(request, 'id', 'unknown')}."
        ),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    stale = reason in (REASON_NO_CSRF_COOKIE, REASON_NO_REFERER) or "token" in reason.lower()
    return error_response(
        request,
        status=403,
        code="csrf_failed",
        message="The request was refused: it does not prove that it comes from this portal.",
        remedy=(
            "Reload the page (cookies must be allowed) and try again."
            if stale
            else "Open the portal at the address that it is configured for "
            "(CLIO_PORTAL_TRUSTED_ORIGINS, CLIO_PORTAL_ALLOWED_HOSTS)."
        ),
    )
