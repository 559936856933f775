"""Workers of one node, or of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.cluster.api.live import LiveBody, live_body
from apps.cluster.selectors import cluster_current
from apps.nodes.api.errors import BadParameter, cluster_error, cluster_reached
from apps.nodes.api.figures import (
    NODE_ID,
    node_figures,
    node_figures_body,
    node_row_find,
)
from apps.nodes.api.listing import FALSE, TRUE, Listing
from apps.nodes.api.local_node import local_node
from apps.nodes.cache import topology_cached
from apps.nodes.models import FigureKind
from apps.nodes.rows import NodeRow
from apps.nodes.selectors import latest_all

Worker = Mapping[str, Any]
WORKERS: dict[str, Any] = {
    "orders": (
        *("node_id", "worker_id", "num_queued_tasks", "num_blocked_tasks"),
        *("num_tasks_processed", "load", "idle_iterations"),
    ),
    "filters": {"is_running": (TRUE, FALSE, "null"), "is_active": (TRUE, FALSE, "null")},
}


def workers_body(asked: str, listing: Listing, *, at: datetime) -> LiveBody:
    """`asked`: empty (the local node), ``all``, or a node's id.

    Raises BadParameter (400), NodeUnknown (404), ClusterUnreachable or NodeUnreachable (503).
    """
    if asked not in ("", "all"):
        if not NODE_ID.fullmatch(asked):
            raise BadParameter("node", asked, wanted="all or a node's id")
        return node_workers_body(asked, listing, at=at)
    topology = topology_cached(at=at)
    if not cluster_reached(topology):
        raise cluster_error(topology)
    if asked == "all":
        return _all_workers_body(topology.nodes, listing, at=at)
    local = local_node(topology.nodes)
    if local is None:
        raise cluster_error(topology)
    return _workers_of(local, listing, at=at)


def node_workers_body(node_id: str, listing: Listing, *, at: datetime) -> LiveBody:
    """Raises NodeUnknown (404), NodeUnreachable (503)."""
    return _workers_of(node_row_find(node_id, at=at), listing, at=at)


def _workers_of(row: NodeRow, listing: Listing, *, at: datetime) -> LiveBody:
    found = node_figures(row, FigureKind.WORKERS, at=at)
    workers = [{"node_id": row.node_id, **worker} for worker in found.latest.figures]
    return node_figures_body(found, _listed(workers, listing))


def _listed(workers: Sequence[Worker], listing: Listing) -> dict[str, Any]:
    """The sums are of all that the filter leaves, not of one page."""
    chosen = listing.chosen(workers)
    page, paging = listing.page(chosen)
    return {"workers": page, "summary": summary(chosen), **paging}


def _all_workers_body(rows: Sequence[NodeRow], listing: Listing, *, at: datetime) -> LiveBody:
    up = {row.node_id for row in rows if row.alive}
    known = {
        node_id: newest
        for node_id, newest in latest_all(cluster_current(), FigureKind.WORKERS, at=at).items()
        if node_id in up and newest.figures is not None
    }
    workers = [
        {"node_id": node_id, **worker}
        for node_id, newest in known.items()
        for worker in newest.figures
    ]
    return live_body(
        {
            **_listed(workers, listing),
            "node_id": None,
            "stale": any(newest.stale for newest in known.values()),
            "nodes_missing": [row.node_id for row in rows if row.node_id not in known],
        },
        sampled_at=min((new.sampled_at for new in known.values() if new.sampled_at), default=None),
        age_s=max((new.age_s for new in known.values() if new.age_s is not None), default=None),
    )


def summary(workers: Sequence[Worker]) -> dict[str, int | None]:
    """The contract's summary of a list of workers."""
    return {
        "count": len(workers),
        "queued": _sum(workers, "num_queued_tasks"),
        "blocked": _sum(workers, "num_blocked_tasks"),
        "processed": _sum(workers, "num_tasks_processed"),
    }


def _sum(workers: Sequence[Worker], field: str) -> int | None:
    """``None`` when one of them is not known: a sum without it would be wrong."""
    total = 0
    for worker in workers:
        if worker[field] is None:
            return None
        total += worker[field]
    return total
