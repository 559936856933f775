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
from apps.common.repeats import answers_forget

MOST = 1_000
"""More tokens than that within a moment are rather guessed ones: none is kept."""

Read = tuple[datetime, ApiToken]
"""A token, and when it was read."""

_held: dict[str, Read] = {}
"""By digest: a secret is nowhere kept in clear."""


def recent_token(
    secret: str, find: Callable[[str], ApiToken | None], *, at: datetime
) -> Read | None:
    """The token as `find` gives it, now or a moment ago; with its user and permissions.

    Threads share the object: it is for reading.
    """
    held = _held  # not what is current by then: what was forgotten meanwhile would come back
    digest = hash_token(secret)
    read = held.get(digest)
    if read is not None and timedelta(0) <= at - read[0] < token_believed_for():
        return read
    token = find(secret)
    if token is None:
        held.pop(digest, None)
        return None
    if len(held) >= MOST:
        held.clear()
    read = held[digest] = (at, token)
    return read


def token_believed_for() -> timedelta:
    """How long a token is believed after it was read."""
    return timedelta(seconds=settings.PORTAL_LIVE_CACHE_S)


def recent_tokens_forget() -> None:
    """The next request with any token looks it up."""
    global _held
    _held = {}
    answers_forget()
