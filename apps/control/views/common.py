"""What the pages of control share."""

from __future__ import annotations

import re
import uuid
from typing import cast
from urllib.parse import urlencode

from django.http import HttpRequest

from apps.accounts.models import User
from apps.audit.services import Actor

NOTHING_NEW = 204
REASON_LENGTH = 2000
_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


def user_of(request: HttpRequest) -> User:
    """Who is signed in; the views let nobody else come so far."""
    return cast(User, request.user)


def actor_of(request: HttpRequest) -> Actor:
    return Actor.of(request.user)


def reason_of(request: HttpRequest) -> str:
    """One text without NUL, which PostgreSQL does not keep."""
    given = request.POST.get("reason", "").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return given.strip()[:REASON_LENGTH]


def key_new() -> str:
    """Names one filled-in form: sent twice, it is still one order."""
    return uuid.uuid4().hex


def key_of(request: HttpRequest) -> str:
    given = request.POST.get("key", "")
    return given if _KEY.fullmatch(given) else key_new()


def whole_of(text: str) -> int | None:
    """The number in `text`; ``None`` when there is none."""
    return int(text) if _WHOLE.fullmatch(text.strip()) else None


def query_of(pairs: dict[str, str]) -> str:
    """The filled-in fields of a filter as a query, without its ``?``."""
    return urlencode({name: value for name, value in pairs.items() if value})
