"""How many requests one caller may send in a minute."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.common.client_address import client_address
from apps.common.repeats import claims_of, repeats_take

if TYPE_CHECKING:  # the framework imports this module while its views are being made
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)

WINDOW_S = 60
Limit = tuple[str, int]
"""Whose requests are counted, and how many of them a minute may have; 0: any number."""


class CallerThrottle(BaseThrottle):
    """Counts by token, by user (all tokens and sessions together), and by address of strangers.

    Requests that change something have a count of their own. A count is one number in the
    cache for each minute of the clock, shared by all web processes where the cache is Redis,
    and of one process where it is not. Copies (see `repeats`) are counted with the next
    request that gets none. While Redis is away nothing is counted: the portal is
    there to be looked at when things go wrong.
    """

    _wait_s: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        now = time.time()
        claims = claims_of(request._request)
        for whose, limit in limits_of(request):
            if not limit:
                continue
            key = f"throttle:{whose}:{int(now // WINDOW_S)}"
            left = limit - _count(key)
            if left < 0:
                self._wait_s = WINDOW_S - now % WINDOW_S
                return False
            claims.counts.append(key)
            claims.left = left if claims.left is None else min(left, claims.left)
        return True

    def wait(self) -> float | None:
        """Seconds until the next minute begins: what ``Retry-After`` says."""
        return None if self._wait_s is None else math.ceil(self._wait_s)


def limits_of(request: Request) -> Iterator[Limit]:
    """The narrowest first."""
    user = request.user
    if user is None or not user.is_authenticated:
        address = client_address(request._request) or "unknown"
        yield f"address:{address}", settings.PORTAL_RATE_ANONYMOUS
        return
    if request.method not in SAFE_METHODS:
        yield f"changes:{user.pk}", settings.PORTAL_RATE_CHANGES
    token = getattr(request.auth, "pk", None)
    if token is not None:
        yield f"token:{token}", settings.PORTAL_RATE_TOKEN
    yield f"user:{user.pk}", settings.PORTAL_RATE_USER


def _count(key: str) -> int:
    """How many there were with this one, from 1; with what was answered by copies meanwhile."""
    more = 1 + repeats_take(key)
    try:
        try:
            return cache.incr(key, more)
        except ValueError:  # the first of this minute; another process may be as quick
            return more if cache.add(key, more, 2 * WINDOW_S) else cache.incr(key, more)
    except (RedisError, ValueError) as error:
        log.warning("requests are not counted", error=str(error))
        return 0
