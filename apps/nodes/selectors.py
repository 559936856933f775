"""Reads over nodes. The number of queries does not depend on the number of nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.cluster.models import Cluster
from apps.common.time import age_s
from apps.nodes.errors import NodeUnknown
from apps.nodes.filters import topology_filter
from apps.nodes.freshness import collector_silence, is_stale, stale_after_s
from apps.nodes.models import FigureKind, LatestFigures, Node, SampleChunk, StateChange
from apps.nodes.rows import (
    FIGURE_COLUMNS,
    FIGURES_SHOWN,
    NO_FIGURES,
    NODE_COLUMNS,
    UP_STATES,
    NodeRow,
    StoredNodes,
    SystemFigures,
    Topology,
    node_columns,
    node_row_build,
    topology_build,
)

__all__ = [
    "Latest",
    "NodeRow",
    "Topology",
    "WorkersTotal",
    "latest",
    "latest_all",
    "node_get",
    "node_row",
    "nodes_retired",
    "state_changes",
    "stored_nodes",
    "system_entries",
    "topology",
    "topology_filter",
    "workers_total",
]

MAX_NODE_ID = 2**31 - 1


def topology(cluster: Cluster, *, at: datetime) -> Topology:
    """Every present node with its state and newest system figures. Two queries."""
    return topology_build(cluster, stored_nodes(cluster), at=at)


def stored_nodes(cluster: Cluster) -> StoredNodes:
    """What `topology` is made of. Two queries."""
    nodes = Node.objects.present().filter(cluster=cluster).values(*NODE_COLUMNS)
    system = LatestFigures.objects.filter(node__cluster=cluster, node__retired_at=None)
    return StoredNodes(list(nodes), _system_figures(system))


def _system_figures(latest_rows: Any) -> dict[int, SystemFigures]:
    found = latest_rows.filter(kind=FigureKind.SYSTEM).values_list(*FIGURE_COLUMNS)
    return {
        pk: SystemFigures(_shown(figures), *rest)
        for pk, figures, *rest in found.iterator(chunk_size=2000)
    }


def _shown(figures: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if figures is None else {name: figures.get(name) for name in FIGURES_SHOWN}


def node_get(cluster: Cluster, *, node_id: int) -> Node:
    """The present node on that line of the host list. Raises NodeUnknown (404)."""
    if not 0 <= node_id <= MAX_NODE_ID:
        raise NodeUnknown(node_id)
    node: Node | None = Node.objects.present().filter(cluster=cluster, node_id=node_id).first()
    if node is None:
        raise NodeUnknown(node_id)
    return node


def nodes_retired(cluster: Cluster) -> list[Node]:
    """Nodes that left the host list, last to leave first; their history stays."""
    return list(Node.objects.retired().filter(cluster=cluster).order_by("-retired_at", "-pk"))


def node_row(node: Node, *, at: datetime) -> NodeRow:
    """One present node as `topology` would show it. Three queries."""
    read = Node.objects.select_related("cluster", "maintenance").get(pk=node.pk)
    cluster = read.cluster
    system = _system_figures(LatestFigures.objects.filter(node=node))
    neighbours = Node.objects.present().filter(cluster=cluster, host=node.host)
    return node_row_build(
        node_columns(read),
        system.get(node.pk, NO_FIGURES),
        host_repeats=neighbours.exclude(pk=node.pk).exists(),
        silence=collector_silence(cluster, at=at),
        old_after=timedelta(seconds=stale_after_s(FigureKind.SYSTEM)),
        at=at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest figures of one kind from one node, and why there may be none newer.

    ``figures``: see `LatestFigures`. ``age_s`` is counted by the portal's clock.
    """

    figures: Any
    sampled_at: datetime | None
    age_s: float | None
    stale: bool
    error_code: str
    error_message: str
    error_at: datetime | None
    latency_s: float | None
    answered_at: datetime | None
    clock_skew_s: float | None
    boot: int | None


def _latest_build(row: LatestFigures | None, *, kind: str, at: datetime) -> Latest:
    if row is None:
        row = LatestFigures(kind=kind)
    return Latest(
        figures=row.figures,
        sampled_at=row.sampled_at,
        age_s=age_s(row.received_at, at=at),
        stale=is_stale(row.received_at, kind=kind, at=at),
        error_code=row.error_code,
        error_message=row.error_message,
        error_at=row.error_at,
        latency_s=row.latency_s,
        answered_at=row.answered_at,
        clock_skew_s=row.clock_skew_s,
        boot=row.boot,
    )


def latest(node: Node, kind: str, *, at: datetime) -> Latest:
    """What `node` last told of `kind` (a `FigureKind`). One query; never fails for want of data."""
    row = LatestFigures.objects.filter(node=node, kind=kind).first()
    return _latest_build(row, kind=kind, at=at)


def latest_all(cluster: Cluster, kind: str, *, at: datetime) -> dict[int, Latest]:
    """`latest` of every present node that has any, by node id. One query."""
    rows: Iterable[LatestFigures] = (
        LatestFigures.objects.filter(node__cluster=cluster, node__retired_at=None, kind=kind)
        .select_related("node")
        .order_by("node__node_id")
    )
    return {
        row.node.node_id: _latest_build(row, kind=kind, at=at)
        for row in rows
        if row.node.node_id is not None
    }


def system_entries(node: Node, *, min_event_id: int = 0) -> list[dict[str, Any]]:
    """Stored samples of the node's current process with event_id ≥ min_event_id, oldest first.

    Contract Entries. Samples from before a restart are left out: their ids would
    collide with those of the process that runs now. One query.
    """
    chunks = SampleChunk.objects.filter(
        node=node, boot=node.boot, last_event_id__gte=min(max(min_event_id, 0), 2**63 - 1)
    ).values_list("entries", flat=True)
    by_event: dict[int, dict[str, Any]] = {}
    for entries in chunks:
        for entry in entries:
            if entry["event_id"] >= min_event_id:
                by_event.setdefault(entry["event_id"], entry)
    return [by_event[event_id] for event_id in sorted(by_event)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersTotal:
    """Sums over the nodes whose worker figures are fresh. ``None``: no node's are."""

    workers: int | None
    queued: int | None
    blocked: int | None
    processed: int | None
    nodes_counted: int
    sampled_at: datetime | None
    """The oldest of the figures that were summed."""
    age_s: float | None


def workers_total(cluster: Cluster, *, at: datetime) -> WorkersTotal:
    """Worker figures summed over the nodes that are up and whose figures are fresh. One query."""
    rows: Any = LatestFigures.objects.filter(
        node__cluster=cluster,
        node__retired_at=None,
        node__state__in=UP_STATES,
        kind=FigureKind.WORKERS,
    ).values_list("figures", "sampled_at", "received_at")
    silence = collector_silence(cluster, at=at)
    fresh = [
        (figures, sampled_at, received_at)
        for figures, sampled_at, received_at in rows
        if not silence
        and figures is not None
        and not is_stale(received_at, kind=FigureKind.WORKERS, at=at)
    ]
    if not fresh:
        return WorkersTotal(
            workers=None,
            queued=None,
            blocked=None,
            processed=None,
            nodes_counted=0,
            sampled_at=None,
            age_s=None,
        )
    workers = [worker for figures, _, _ in fresh for worker in figures]
    return WorkersTotal(
        workers=len(workers),
        queued=sum(worker["num_queued_tasks"] for worker in workers),
        blocked=sum(worker["num_blocked_tasks"] for worker in workers),
        processed=sum(worker["num_tasks_processed"] for worker in workers),
        nodes_counted=len(fresh),
        sampled_at=min(sampled_at for _, sampled_at, _ in fresh),
        age_s=age_s(min(received_at for _, _, received_at in fresh), at=at),
    )


def state_changes(node: Node, *, limit: int = 50) -> list[StateChange]:
    """The node's last changes of state, newest first."""
    return list(StateChange.objects.filter(node=node)[:limit])
