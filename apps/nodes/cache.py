"""Short-lived copies of the cluster, so that many readers cost one read of the database.

Two steps. A look at the cluster's own row holds for a quarter of a second and tells the cursor:
whether anything was stored since. Only when the cursor has risen are the nodes read again; ages
are counted anew with each look.

Where there is Redis, all web processes share both: the first that needs a new one makes it, and
a reader whose requests go to several processes is never shown an older one after a newer one.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import caches

from apps.cluster.models import Cluster
from apps.cluster.selectors import cluster_current
from apps.common.made_once import made_once
from apps.common.repeats import answers_forget
from apps.nodes.freshness import cursor_of
from apps.nodes.rows import StoredNodes, Topology, topology_build
from apps.nodes.selectors import stored_nodes

LOOK_KEY = "nodes.look"
LOOK_LASTS_S = 2
"""In Redis; how long it is believed is `PORTAL_LIVE_CACHE_S`."""
STORED_LAST_S = 10


@dataclass(frozen=True, slots=True)
class Look:
    """The cluster as it was read at that instant."""

    at: datetime
    cluster: Cluster

    @property
    def cursor(self) -> int:
        """See `freshness.cursor_of`."""
        return cursor_of(self.cluster, at=self.at)


@dataclass(frozen=True, slots=True)
class _Stored:
    cluster_pk: int
    poll_number: int
    read_at_s: float
    """By the monotonic clock."""
    nodes: StoredNodes


_look_lock = threading.Lock()
_topology_lock = threading.Lock()
_look: Look | None = None
_stored: _Stored | None = None
_topology: tuple[Look, Topology] | None = None


def cluster_look(*, at: datetime) -> Look:
    """The current cluster, read less than `PORTAL_LIVE_CACHE_S` (≤ 0.25 s) ago.

    Raises ClusterMissing. Not for decisions.
    """
    global _look
    with _look_lock:
        if _look is None or not _is_fresh(_look, at=at):
            _look = _look_shared(at=at) if settings.PORTAL_REDIS_URL else _look_read(at=at)
        return _look


def topology_cached(*, at: datetime) -> Topology:
    """The current cluster's topology as of its `cluster_look`. Raises ClusterMissing.

    While one thread (of one process) reads the database, others wait for its result instead of
    reading too. Not for decisions: a control job reads its node itself. A cache time of 0
    reads every time.
    """
    global _topology
    with _topology_lock:
        look = cluster_look(at=at)
        if _topology is None or _topology[0] is not look:
            _topology = look, topology_build(look.cluster, _nodes(look.cluster), at=look.at)
        return _topology[1]


def topology_holds_until(topology: Topology) -> datetime:
    """When whoever asks for it again has the cluster looked at again."""
    return topology.at + timedelta(seconds=settings.PORTAL_LIVE_CACHE_S)


def topology_cache_clear() -> None:
    """Forget all copies, as if nothing had ever been read; for tests."""
    global _look, _stored, _topology
    with _topology_lock, _look_lock:
        if settings.PORTAL_REDIS_URL:
            caches["live"].set(LOOK_KEY, None)
            if _stored:
                caches["live"].set(_stored_key(_stored.cluster_pk, _stored.poll_number), None)
        _look, _stored, _topology = None, None, None
        answers_forget()


def _is_fresh(look: Look, *, at: datetime) -> bool:
    return timedelta(0) <= at - look.at < timedelta(seconds=settings.PORTAL_LIVE_CACHE_S)


def _look_read(*, at: datetime) -> Look:
    return Look(at, cluster_current())


def _look_shared(*, at: datetime) -> Look:
    return made_once(
        LOOK_KEY,
        lambda: _look_read(at=at),
        lasts_s=LOOK_LASTS_S,
        believed=lambda look, waited_s: _is_fresh(look, at=at + timedelta(seconds=waited_s)),
    )


def _nodes(cluster: Cluster) -> StoredNodes:
    """Its present nodes; read again when the cursor has risen, or after some seconds in any case.

    Whatever stores something that a topology shows raises `poll_number` with it, or after it.
    """
    global _stored
    held, now_s = _stored, time.monotonic()
    if (
        held is not None
        and settings.PORTAL_LIVE_CACHE_S
        and (held.cluster_pk, held.poll_number) == (cluster.pk, cluster.poll_number)
        and now_s - held.read_at_s < STORED_LAST_S
    ):
        return held.nodes
    nodes = _nodes_shared(cluster) if settings.PORTAL_REDIS_URL else stored_nodes(cluster)
    _stored = _Stored(cluster.pk, cluster.poll_number, now_s, nodes)
    return nodes


def _nodes_shared(cluster: Cluster) -> StoredNodes:
    if not settings.PORTAL_LIVE_CACHE_S:
        return stored_nodes(cluster)
    key = _stored_key(cluster.pk, cluster.poll_number)
    return made_once(key, lambda: stored_nodes(cluster), lasts_s=STORED_LAST_S)


def _stored_key(cluster_pk: int, poll_number: int) -> str:
    return f"nodes.stored.{cluster_pk}.{poll_number}"
