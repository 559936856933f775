"""The same question of the same caller, asked again within a moment, gets the same answer.

Many clients of one account ask for the same figures at once. The first of them goes through
everything: its token is looked up, it is counted, the answer is made. The others get a copy,
for as long as the figures in it may be given out (`PORTAL_LIVE_CACHE_S`, ≤ 0.25 s). Whatever
revokes a token, or changes who may do what, calls `answers_forget`.

Only what a view has allowed with `repeat_allow` is kept: answers to tokens, never to cookies.
Copies count towards the caller's limits. That these are reached is said again by copies, too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.common.request_context import REQUEST_ID_HEADER

MOST = 256
"""Kept answers. Where callers differ so much, little would be asked twice."""
MOST_COUNTS = 1_000
"""Most are of minutes that have passed: nobody asks for them any more."""
DIGEST_BYTES = 20
ASKED = ("PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "wsgi.url_scheme")
REQUEST_LOG = logging.getLogger("apps.common.middleware")
Headers = Sequence[tuple[str, str]]
RawHeaders = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Claims:
    """What is known of a request's caller: set by who let it in, read by `repeat_allow`."""

    until_s: float = 0.0
    """How long its token is believed, in Unix seconds. 0: it has none."""
    left: int | None = None
    """How many more requests it has in this minute; ``None``: any number."""
    counts: list[str] = field(default_factory=list)
    """Under which names it was counted."""


@dataclass(slots=True)
class Terms:
    """When an answer may be given again, in Unix seconds, and how often."""

    made_s: float
    """A clock that was put back would make it hold for longer."""
    until_s: float
    left: int | None
    counts: list[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer, as a server sends it, but for the request's id: each has its own."""

    status: str
    headers: Headers
    raw_headers: RawHeaders
    """The same, as ASGI has them."""
    body: bytes
    terms: Terms


Kept = dict[bytes, Answer]


@dataclass(frozen=True, slots=True)
class Question:
    """A request whose answer may be kept.

    `digest`: of all that the answer may depend on; a token must nowhere be kept in clear.
    `kept`: where the answer goes. Not what is current by then: what was forgotten while it
    was made would come back.
    """

    digest: bytes
    kept: Kept


_kept: Kept = {}
_repeated: dict[str, int] = {}
_lock = Lock()


def claims_of(request: HttpRequest) -> Claims:
    """The request's own; made when first asked for."""
    claims: Claims | None = getattr(request, "portal_claims", None)
    if claims is None:
        claims = Claims()
        request.portal_claims = claims  # type: ignore[attr-defined]
    return claims


def repeat_allow(request: HttpRequest, response: HttpResponse, *, until_s: float) -> None:
    """A view's word that this answer holds until then, for whoever asks with the same token."""
    claims = claims_of(request)
    _allow(response, claims, until_s=until_s, left=claims.left, counts=claims.counts)


def refusal_allow(request: HttpRequest, response: HttpResponse, *, until_s: float) -> None:
    """The same of a refusal to answer so many requests. Its copies are not counted.

    Else a script that does not stop asking would cost more than one whose requests are answered.
    """
    _allow(response, claims_of(request), until_s=until_s, left=None, counts=[])


def _allow(
    response: HttpResponse, claims: Claims, *, until_s: float, left: int | None, counts: list[str]
) -> None:
    now_s, until_s = time.time(), min(until_s, claims.until_s)
    if until_s > now_s:
        terms = Terms(now_s, until_s, left, counts)
        response.portal_terms = terms  # type: ignore[attr-defined]


def question_of(environ: Mapping[str, Any]) -> Question | None:
    """Of a WSGI environment (PEP 3333); ``None`` when its answer is never kept.

    At the log level DEBUG none is, so that every request has its line.
    """
    if (
        REQUEST_LOG.isEnabledFor(logging.DEBUG)
        or environ["REQUEST_METHOD"] != "GET"
        or "HTTP_AUTHORIZATION" not in environ
        or "HTTP_COOKIE" in environ
        or environ.get("CONTENT_LENGTH", "0") not in ("", "0")
    ):
        return None
    parts = [str(environ.get(name, "")) for name in ASKED]
    parts += [
        f"{name}\0{value}"
        for name, value in environ.items()
        if name.startswith("HTTP_") and name != "HTTP_X_REQUEST_ID"
    ]
    text = "\0\0".join(parts).encode("utf-8", "surrogatepass")
    return Question(blake2b(text, digest_size=DIGEST_BYTES).digest(), _kept)


def answer_again(question: Question) -> Answer | None:
    """The kept answer, if it holds for one more request."""
    answer = question.kept.get(question.digest)
    if answer is None:
        return None
    terms, now_s = answer.terms, time.time()
    with _lock:
        if not terms.made_s <= now_s < terms.until_s or terms.left == 0:
            return None
        _count(terms)
    return answer


def raw_headers(headers: Iterable[tuple[str, str]]) -> RawHeaders:
    """Headers of WSGI (PEP 3333), as ASGI has them."""
    return [
        (name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers
    ]


def _count(terms: Terms) -> None:
    if terms.left is not None:
        terms.left -= 1
    if len(_repeated) >= MOST_COUNTS:
        _repeated.clear()
    for name in terms.counts:
        _repeated[name] = _repeated.get(name, 0) + 1


def is_asked_often(question: Question) -> bool:
    """Was there an answer to it that could be given again, lately?"""
    return question.digest in question.kept


def answer_keep(question: Question, status: str, headers: Headers, response: object) -> None:
    """Keep it, if its view has allowed that."""
    terms: Terms | None = getattr(response, "portal_terms", None)
    if terms is None or not isinstance(response, HttpResponse) or response.cookies:
        return
    kept = question.kept
    if len(kept) >= MOST and question.digest not in kept:
        kept.clear()
    common = [(name, value) for name, value in headers if name != REQUEST_ID_HEADER]
    answer = Answer(status, common, raw_headers(common), response.content, terms)
    kept[question.digest] = answer


def answers_forget() -> None:
    """Every next request goes through everything."""
    global _kept
    _kept = {}


def repeats_take(name: str) -> int:
    """How many copies were given under this name since the last call: to be counted now."""
    if name not in _repeated:
        return 0
    with _lock:
        return _repeated.pop(name, 0)
