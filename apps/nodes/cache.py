"""A short-lived copy of the topology, so that many readers cost one read of the database.

Where there is Redis, all web processes share one copy: the first that needs a new one makes
it, and a reader whose requests go to several processes is never shown an older one after a
newer one. Each process keeps what it took for as long as the copy is fresh.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from apps.cluster.selectors import cluster_current
from apps.nodes.rows import Topology
from apps.nodes.selectors import topology

SHARED_KEY = "nodes.topology"
MAKER_KEY = "nodes.topology.maker"
MAKER_MAY_TAKE_S = 2
"""A process that died while it made the copy is replaced after this time."""
LOOK_EVERY_S = 0.01

Held = tuple[datetime, Topology]
"""When it was read, and what."""

_lock = threading.Lock()
_held: Held | None = None


def topology_cached(*, at: datetime) -> Topology:
    """The current cluster's topology, read at most `PORTAL_LIVE_CACHE_S` (≤ 0.25 s) ago.

    Collected figures change once a round (seconds), so a reader sees them a quarter of a
    second late at worst; ages are as of the read. While one thread (of one process) reads
    the database, others wait for its result instead of reading too. Not for decisions: a
    control job reads its node itself. A cache time of 0 reads every time.
    """
    global _held
    with _lock:
        if _held is None or not _is_fresh(_held, at=at):
            _held = _shared(at=at) if settings.PORTAL_REDIS_URL else _read(at=at)
        return _held[1]


def topology_cache_clear() -> None:
    """Forget the copy; the next reader reads."""
    global _held
    with _lock:
        _held = None
        if settings.PORTAL_REDIS_URL:
            _cache().set(SHARED_KEY, None)


def _cache() -> BaseCache:
    return caches["live"]


def _is_fresh(held: Held, *, at: datetime) -> bool:
    return timedelta(0) <= at - held[0] < timedelta(seconds=settings.PORTAL_LIVE_CACHE_S)


def _read(*, at: datetime) -> Held:
    return at, topology(cluster_current(), at=at)


def _shared(*, at: datetime) -> Held:
    """The copy of all processes; made, if it is this one's turn. Without Redis, always."""
    cache, began = _cache(), time.monotonic()
    while (waited_s := time.monotonic() - began) < MAKER_MAY_TAKE_S:
        found: Held | None = cache.get(SHARED_KEY)
        # One that was made while this process waited is welcome.
        if found is not None and _is_fresh(found, at=at + timedelta(seconds=waited_s)):
            return found
        if cache.add(MAKER_KEY, 1, timeout=MAKER_MAY_TAKE_S):
            break
        time.sleep(LOOK_EVERY_S)
    made = _read(at=at)
    cache.set(SHARED_KEY, made, timeout=MAKER_MAY_TAKE_S)
    cache.set(MAKER_KEY, 1, timeout=0)
    return made
