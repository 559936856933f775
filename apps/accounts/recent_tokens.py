"""Tokens that were read a moment ago, so that a script which polls costs no read each time.

Only for requests that read. What changes something looks its token up every time, and what
revokes a token, or changes who may do what, calls `recent_tokens_forget` first thing after:
so only another process can believe a token longer, and for `PORTAL_LIVE_CACHE_S` (≤ 0.25 s),
as long as the figures that it reads are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from knox.crypto import hash_token

from apps.accounts.models import ApiToken

MOST = 1_000
"""More tokens than that within a moment are rather guessed ones: none is kept."""

_held: dict[str, tuple[datetime, ApiToken]] = {}
"""By digest: a secret is nowhere kept in clear."""


def recent_token(
    secret: str, find: Callable[[str], ApiToken | None], *, at: datetime
) -> ApiToken | None:
    """The token as `find` gives it, now or a moment ago; with its user and permissions.

    Threads share the object: it is for reading.
    """
    keep = timedelta(seconds=settings.PORTAL_LIVE_CACHE_S)
    digest = hash_token(secret)
    held = _held.get(digest)
    if held is not None and timedelta(0) <= at - held[0] < keep:
        return held[1]
    token = find(secret)
    if token is None:
        _held.pop(digest, None)
        return None
    if len(_held) >= MOST:
        _held.clear()
    _held[digest] = (at, token)
    return token


def recent_tokens_forget() -> None:
    """The next request with any token looks it up."""
    _held.clear()
