"""What is to be done once in a while, by one of the web processes."""

from __future__ import annotations

import redis
import structlog
from django.core.cache import cache, caches

log = structlog.get_logger(__name__)


def first_in(key: str, *, seconds: int) -> bool:
    """Is this the first time within so many seconds? While Redis is away, each process counts
    for itself.
    """
    try:
        return cache.add(key, True, timeout=seconds)
    except (redis.RedisError, OSError) as error:
        log.warning("the cache does not answer", error=str(error))
        return caches["process"].add(key, True, timeout=seconds)
