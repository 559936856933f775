"""Answers of live routes: how old the figures are, in the body and in the headers.

A body is rendered once, straight to bytes. Its weak ETag covers all but the age, so
that a client which asks again before anything changed gets an empty 304, whose `Age`
header is still true.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from apps.cluster.api.negotiation import JsonUnlessHtml
from apps.common.renderers import PortalBrowsableRenderer
from apps.common.repeats import repeat_allow

GZIP_FROM_BYTES = 1_400
"""A smaller body fits one network packet as it is."""
GZIP_LEVEL = 4
GZIP_ACCEPTED = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
VARY = "Accept, Accept-Encoding, Authorization, Cookie"


class LiveViewSet(ViewSet):
    """Base of the documented GET routes. Deny by default: each names its permission."""

    renderer_classes = (JSONRenderer, PortalBrowsableRenderer)
    content_negotiation_class = JsonUnlessHtml
    required_permission = "view_live"


@dataclass(frozen=True, slots=True)
class LiveBody:
    """One rendered answer. `fields` is the same, for the browsable page."""

    fields: dict[str, Any]
    status: int
    body: bytes
    zipped: bytes | None
    etag: str
    age_s: float | None
    holds_until: datetime | None = None
    """Until then the same caller may get a copy; ``None``: it is made for each request."""


def live_body(
    fields: Mapping[str, Any],
    *,
    sampled_at: datetime | None,
    age_s: float | None,
    status: int = 200,
    stable: object = None,
    holds_until: datetime | None = None,
) -> LiveBody:
    """Render `fields` with `sampled_at` and `age_s` (seconds) added.

    `stable` is what the ETag covers; by default all fields, which then hold no age.
    """
    age = None if age_s is None else round(age_s, 3)
    whole = {**fields, "sampled_at": iso(sampled_at), "age_s": age}
    covered = {**fields, "sampled_at": iso(sampled_at)} if stable is None else stable
    body = to_json(whole)
    digest = hashlib.blake2b(to_json([status, covered]), digest_size=12).hexdigest()
    zipped = gzip.compress(body, GZIP_LEVEL, mtime=0) if len(body) >= GZIP_FROM_BYTES else None
    return LiveBody(whole, status, body, zipped, f'W/"{digest}"', age, holds_until)


def live_response(request: Request, live: LiveBody) -> HttpResponse:
    """The HTTP answer: JSON bytes, 304 when the client has them, or the browsable page."""
    headers = {"ETag": live.etag, "Cache-Control": "private, no-cache", "Vary": VARY}
    if live.age_s is not None:
        headers["Age"] = str(int(live.age_s))
    if request.accepted_renderer.format != "json":
        return Response(live.fields, status=live.status, headers=headers)
    response = _json_response(request, live, headers)
    if live.holds_until is not None:
        repeat_allow(request._request, response, until_s=live.holds_until.timestamp())
    return response


def _json_response(request: Request, live: LiveBody, headers: dict[str, str]) -> HttpResponse:
    if live.status == 200 and _has(request.META.get("HTTP_IF_NONE_MATCH", ""), live.etag):
        return _not_modified(headers)
    if live.zipped is not None and GZIP_ACCEPTED.search(
        request.META.get("HTTP_ACCEPT_ENCODING", "")
    ):
        headers["Content-Encoding"] = "gzip"
        return _json_bytes(live.zipped, live.status, headers)
    return _json_bytes(live.body, live.status, headers)


def _not_modified(headers: dict[str, str]) -> HttpResponse:
    response = HttpResponse(status=304, headers=headers)
    del response["Content-Type"]
    return response


def _json_bytes(body: bytes, status: int, headers: dict[str, str]) -> HttpResponse:
    return HttpResponse(body, status=status, headers=headers, content_type="application/json")


def _has(if_none_match: str, etag: str) -> bool:
    """Weak comparison, as RFC 9110 asks for `If-None-Match`."""
    if not if_none_match:
        return False
    opaque = etag.removeprefix("W/")
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in ("*", opaque) for tag in tags)


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC, to the microsecond, with a `Z`; ``None`` stays ``None``."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def to_json(value: object) -> bytes:
    """Compact UTF-8 JSON. A number that JSON has no word for becomes ``null``: not known."""
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except ValueError:  # nan, inf, or half of a surrogate pair
        cleaned = json.dumps(finite(value), separators=(",", ":"), ensure_ascii=True)
        return cleaned.encode()


def finite(value: object) -> object:
    """The same value with nan and infinities replaced by ``None``."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
