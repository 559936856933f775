"""A short-lived copy of the topology, so that many readers cost one read of the database."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from django.conf import settings

from apps.cluster.selectors import cluster_current
from apps.nodes.rows import Topology
from apps.nodes.selectors import topology

_lock = threading.Lock()
_held: tuple[datetime, Topology] | None = None


def topology_cached(*, at: datetime) -> Topology:
    """The current cluster's topology, read at most `PORTAL_LIVE_CACHE_S` (≤ 0.25 s) ago.

    Per process. Collected figures change once a round (seconds), so a reader sees
    them a quarter of a second late at worst; ages are as of the read. While one thread
    reads the database, others wait for its result instead of reading too. Not for
    decisions: a control job reads its node itself. A cache time of 0 reads every time.
    """
    global _held
    keep = timedelta(seconds=settings.PORTAL_LIVE_CACHE_S)
    with _lock:
        if _held is not None and timedelta(0) <= at - _held[0] < keep:
            return _held[1]
        fresh = topology(cluster_current(), at=at)
        _held = (at, fresh)
        return fresh


def topology_cache_clear() -> None:
    """Forget the copy; the next reader reads."""
    global _held
    with _lock:
        _held = None
