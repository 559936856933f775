"""What answers of the API have in common, and how large a request may be."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.text import compress_sequence

from apps.common.error_views import error_response, is_api

GZIP_FROM_BYTES = 1_400
"""A smaller body fits one network packet as it is."""
GZIP_LEVEL = 4
GZIP_ACCEPTED = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
TEXT_TYPES = ("application/json", "application/vnd.oai", "application/yaml", "text/csv")
"""Not pages: their forms hold secrets, which compression could give away (BREACH)."""

View = Callable[[HttpRequest], HttpResponseBase]


class BodyLimitMiddleware:
    """413 for a body larger than the limit, before any of it is read.

    Servers hand on no more than ``Content-Length`` says, and the single mode's own sets it.
    """

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("CONTENT_LENGTH") or "0"
        limit: int = settings.PORTAL_BODY_LIMIT_BYTES
        if given.isdigit() and int(given) <= limit:
            return self.get_response(request)
        return error_response(
            request,
            status=413,
            code="body_too_large",
            message=f"The request's body is larger than {limit:,} bytes.",
            remedy="Send less at a time. An administrator of the portal can raise the limit "
            "(CLIO_PORTAL_BODY_LIMIT_BYTES).",
        )


class ApiAnswerMiddleware:
    """`ETag` with 304, and gzip, for answers of the API that have not brought their own.

    The live routes do that themselves, because their ETag leaves out the age.
    """

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not is_api(request) or response.has_header("Content-Encoding"):
            return response
        if not response.headers.get("Content-Type", "").startswith(TEXT_TYPES):
            return response
        zipped = bool(GZIP_ACCEPTED.search(request.META.get("HTTP_ACCEPT_ENCODING", "")))
        if isinstance(response, StreamingHttpResponse):
            return _streamed(response) if zipped else response
        if not isinstance(response, HttpResponse) or response.has_header("ETag"):
            return response
        return _finished(request, response, zipped=zipped)


def etag_of(body: bytes) -> str:
    """Weak, because a zipped body is the same answer."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison, as RFC 9110 asks for `If-None-Match`."""
    if not if_none_match:
        return False
    opaque = etag.removeprefix("W/")
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in ("*", opaque) for tag in tags)


def _finished(request: HttpRequest, response: HttpResponse, *, zipped: bool) -> HttpResponse:
    patch_vary_headers(response, ["Accept", "Accept-Encoding", "Authorization", "Cookie"])
    if request.method in ("GET", "HEAD") and response.status_code == 200:
        etag = etag_of(response.content)
        response.headers["ETag"] = etag
        if etag_matches(request.META.get("HTTP_IF_NONE_MATCH", ""), etag):
            return _not_modified(response)
    if zipped and len(response.content) >= GZIP_FROM_BYTES:
        response.content = gzip.compress(response.content, GZIP_LEVEL, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
    if response.has_header("Content-Length"):
        response.headers["Content-Length"] = str(len(response.content))
    return response


def _not_modified(response: HttpResponse) -> HttpResponse:
    kept = {
        name: value
        for name, value in response.headers.items()
        if name not in ("Content-Type", "Content-Length", "Content-Disposition")
    }
    empty = HttpResponse(status=304, headers=kept)
    del empty.headers["Content-Type"]
    empty.cookies = response.cookies
    return empty


def _streamed(response: StreamingHttpResponse) -> StreamingHttpResponse:
    """A file that is written while it is sent: zipped in the same way."""
    if response.is_async:
        return response
    chunks: Iterator[bytes] = iter(response)
    response.streaming_content = compress_sequence(chunks)
    response.headers["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    if response.has_header("Content-Length"):
        del response.headers["Content-Length"]
    return response
