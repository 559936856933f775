"""The answer of `/api/topology`, rendered once for all who ask within a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.cluster.api.live import LiveBody, iso, live_body
from apps.nodes.api.errors import cluster_error, cluster_reached
from apps.nodes.cache import topology_cached, topology_holds_until
from apps.nodes.rows import NodeRow, Topology

AGES = ("age_s", "state_age_s")
"""What changes by itself: not part of the ETag."""

_rendered: tuple[Topology, LiveBody] | None = None


def topology_page(*, at: datetime) -> LiveBody:
    """The rendered topology. Ages are at most the topology cache's time behind.

    The cache hands out one object until it reads again, so that its identity tells
    whether the bytes still hold. Two threads may render the same twice: no harm.
    """
    global _rendered
    topology = topology_cached(at=at)
    held = _rendered
    if held is not None and held[0] is topology:
        return held[1]
    page = topology_render(topology, [node_fields(row) for row in topology.nodes])
    _rendered = (topology, page)
    return page


def topology_render(
    topology: Topology, nodes: Sequence[Mapping[str, Any]], **paging: Any
) -> LiveBody:
    """200 with these nodes; 503 with the error and them when none of the topology answers."""
    reached = cluster_reached(topology)
    fields: dict[str, Any] = {
        "nodes": nodes,
        "stale": topology.stale,
        "connected": reached,
        "cursor": topology.cursor,
        "counts": topology.counts,
        "is_simulated": topology.is_simulated,
        **paging,
    }
    if not reached:
        failure = cluster_error(topology)
        fields = {
            "error": failure.message,
            "code": failure.code,
            "remedy": failure.remedy,
            **fields,
        }
    ageless = [{key: node[key] for key in node if key not in AGES} for node in nodes]
    return live_body(
        fields,
        sampled_at=topology.polled_at,
        age_s=topology.age_s,
        status=200 if reached else 503,
        stable={**fields, "nodes": ageless, "sampled_at": iso(topology.polled_at)},
        holds_until=topology_holds_until(topology),
    )


def node_fields(row: NodeRow) -> dict[str, Any]:
    """The contract's Node in JSON's own types."""
    return {key: _plain(value) for key, value in row.as_contract().items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return round(value, 3) if isinstance(value, float) else value
