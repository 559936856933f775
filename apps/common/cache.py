"""The cache of what can be had elsewhere: when Redis is away, it is empty, and nothing fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache

log = structlog.get_logger(__name__)

COPY_LASTS_S = 10


class ForgivingRedisCache(RedisCache):
    """Misses instead of failing. Deleting still fails: a copy may be left."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return _tried(lambda: super(ForgivingRedisCache, self).get(key, default, version), default)

    def set(self, *args: Any, **kwargs: Any) -> None:
        _tried(lambda: super(ForgivingRedisCache, self).set(*args, **kwargs), None)

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """True as well when nobody can know: then each does by itself what is to be done once."""
        return bool(_tried(lambda: super(ForgivingRedisCache, self).add(*args, **kwargs), True))

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return bool(_tried(lambda: super(ForgivingRedisCache, self).has_key(key, version), False))


class SessionRedisCache(ForgivingRedisCache):
    """Copies of sessions, which are in the database. A copy that can't be deleted because Redis
    is away is no longer believed ten seconds after it was made: signing out holds by then.
    """

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        super().set(key, value, COPY_LASTS_S, version)

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(_tried(lambda: super(SessionRedisCache, self).delete(key, version), False))


def _tried(ask: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return ask()
    except (redis.RedisError, OSError) as error:
        log.warning("the cache does not answer", error=str(error))
        return otherwise
