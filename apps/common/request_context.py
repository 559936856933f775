"""Where the present request comes from, for whoever must write that down."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

REQUEST_ID_HEADER = "X-Request-ID"
WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{8,64}")
"""What a caller may name a request; anything else is replaced."""


def request_id_of(given: str) -> str:
    """The id of a request: as its caller gave it, where that is well formed, else a new one."""
    return given if WELL_FORMED.fullmatch(given) else secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """A request's own name and its sender. All empty outside a request."""

    request_id: str = ""
    address: str = ""
    user_agent: str = ""


_NOWHERE = RequestContext()
_current: ContextVar[RequestContext] = ContextVar("request_context", default=_NOWHERE)


def request_context() -> RequestContext:
    """The context of the request being served, or of the job being run for one."""
    return _current.get()


@contextmanager
def request_context_set(context: RequestContext) -> Iterator[None]:
    """For the length of the block, what `request_context` gives."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
