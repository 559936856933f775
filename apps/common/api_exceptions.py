"""The REST framework's errors in the contract's form."""

from __future__ import annotations

import math
import time
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_exception_handler

from apps.common.errors import DATABASE_FAILS, RETRY_AFTER_S, DatabaseAway, PortalError
from apps.common.repeats import refusal_allow

log = structlog.get_logger(__name__)

CSRF_FAILED = "CSRF Failed:"
"""How the framework begins that refusal; the rest is for those who debug it."""
CSRF_SENTENCE = "The request was refused: it does not prove that it comes from this portal's pages."
CSRF_REMEDY = (
    "A browser's session needs the header X-CSRFToken; scripts send a token instead "
    "(Authorization: Token …)."
)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """``{"error": sentence, "code": word, "remedy"?, …extra}`` for whatever a view raised."""
    if isinstance(error, DATABASE_FAILS):
        log.warning("the database can't be used", error=str(error))
        return _response(DatabaseAway(), headers={"Retry-After": str(RETRY_AFTER_S)})
    if isinstance(error, PortalError):
        return _response(error)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        response = rest_exception_handler(error, context)
        if response is not None:
            response.data = _body(error)
            _let_repeat(error, response, context)
            return response
    request = context.get("request")
    log.error("request failed", path=getattr(request, "path", None), exc_info=error)
    return Response(
        {
            "error": "Something went wrong in the portal itself.",
            "code": "internal_error",
            "remedy": "Try again; if it stays so, look for this request id in the portal's log: "
            f"{getattr(request, 'id', 'unknown')}.",
        },
        status=status.HTTP_500_INTERNAL_SERVER_ERROR,
    )


def _response(error: PortalError, headers: dict[str, str] | None = None) -> Response:
    body = {**error.extra, "error": error.message, "code": error.code}
    if error.remedy:
        body["remedy"] = error.remedy
    return Response(body, status=error.status, headers=headers)


def _body(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        fields = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
        return {"error": _sentence(fields), "code": "invalid", "fields": fields}
    if isinstance(error, exceptions.Throttled):
        return _throttled(error)
    if str(error.detail).startswith(CSRF_FAILED):
        return {"error": CSRF_SENTENCE, "code": "csrf_failed", "remedy": CSRF_REMEDY}
    detail = error.detail
    code = getattr(detail, "code", None) or error.default_code
    return {"error": str(detail), "code": str(code)}


def _let_repeat(
    error: exceptions.APIException, response: Response, context: dict[str, Any]
) -> None:
    """Too many requests are too many in the next moment, too, and at most to the minute's end:
    the seconds until that are rounded up.
    """
    wait_s: float | None = getattr(error, "wait", None)
    if isinstance(error, exceptions.Throttled) and wait_s is not None:
        refusal_allow(context["request"]._request, response, until_s=time.time() + wait_s - 1)


def _throttled(error: exceptions.Throttled) -> dict[str, Any]:
    """With the header ``Retry-After``, which the framework sets."""
    given: float | None = getattr(error, "wait", None)
    wait_s = None if given is None else math.ceil(given)
    again = "Try again later." if wait_s is None else f"Try again in {wait_s} s (Retry-After)."
    return {
        "error": "Too many requests in this minute.",
        "code": "throttled",
        "remedy": f"{again} An ETag sent back as If-None-Match makes an answer cheap, but is "
        "counted, too: ask less often.",
        "retry_after_s": wait_s,
    }


def _sentence(fields: dict[str, Any]) -> str:
    parts = []
    for name, problems in fields.items():
        texts = problems if isinstance(problems, list) else [problems]
        parts.append(f"{name}: {' '.join(str(text) for text in texts)}")
    return "; ".join(parts)
