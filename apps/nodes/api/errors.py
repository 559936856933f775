"""What the node routes answer instead of figures."""

from __future__ import annotations

from typing import Any

from apps.cluster.api.live import iso
from apps.common.errors import PortalError
from apps.nodes.rows import NodeRow, Topology
from apps.nodes.selectors import Latest

COLLECTOR_REMEDY = "Check that the portal's Celery worker and beat run, and read their log."
CLUSTER_REMEDY = "Check that the runtimes run (clio_run status) and that the portal reaches them."
NODE_REMEDY = "Look at the node's runtime (clio_run status on it), or restart the node."


class BadParameter(PortalError):
    """A query parameter that can't mean anything."""

    def __init__(self, name: str, given: str, *, wanted: str) -> None:
        super().__init__(
            f"{name} is {given[:80]!r}, which is not {wanted}.",
            code="bad_parameter",
            status=400,
            remedy=f"Give {name} as {wanted}, or leave it out.",
            extra={"parameter": name},
        )


class ClusterUnreachable(PortalError):
    """No node answers, or the collector does not run: no live figure can be believed."""

    def __init__(self, message: str, code: str, remedy: str, **extra: Any) -> None:
        super().__init__(message, code=code, status=503, remedy=remedy, extra=extra)


class NodeUnreachable(PortalError):
    """The node's runtime can't be reached, or has not told these figures yet."""

    def __init__(self, row: NodeRow, latest: Latest, *, message: str, code: str) -> None:
        super().__init__(
            message,
            code=code,
            status=503,
            remedy=NODE_REMEDY,
            extra={
                "node_id": row.node_id,
                "state": row.state.value,
                "state_since": iso(row.state_since),
                "sampled_at": iso(latest.sampled_at),
                "age_s": latest.age_s,
            },
        )


def cluster_reached(topology: Topology) -> bool:
    """Does any node answer? A node that is only late counts: it has no verdict yet."""
    return not topology.stale and any(row.alive for row in topology.nodes)


def cluster_error(topology: Topology, **extra: Any) -> ClusterUnreachable:
    """Why the cluster is not reached, with what to do; `extra` goes into the answer."""
    age = {"sampled_at": iso(topology.polled_at), "age_s": topology.age_s}
    if topology.polled_at is None:
        return ClusterUnreachable(
            topology.reason, "not_polled_yet", COLLECTOR_REMEDY, **age, **extra
        )
    if topology.stale:
        return ClusterUnreachable(
            topology.reason, "collector_stale", COLLECTOR_REMEDY, **age, **extra
        )
    if not topology.nodes:
        message = "The host list names no node."
        return ClusterUnreachable(message, "no_nodes", CLUSTER_REMEDY, **age, **extra)
    message = topology.reason or f"None of the {len(topology.nodes)} nodes answers."
    return ClusterUnreachable(message, "cluster_unreachable", CLUSTER_REMEDY, **age, **extra)


def node_error(row: NodeRow, latest: Latest) -> NodeUnreachable:
    """The node is hung, down, or its state is not known."""
    reason = f": {row.state_reason}" if row.state_reason else "."
    return NodeUnreachable(
        row,
        latest,
        message=f"Node {row.node_id} ({row.address}) can't be reached, it is {row.state}{reason}",
        code="node_unreachable",
    )


def figures_error(row: NodeRow, latest: Latest, what: str) -> NodeUnreachable:
    """The node answers, but has never told these figures."""
    why = latest.error_message or "the first round that asks for them has not ended yet."
    return NodeUnreachable(
        row,
        latest,
        message=f"The {what} of node {row.node_id} ({row.address}) are not known: {why}",
        code="figures_unknown",
    )
