"""Topology, system sums, workers and system samples."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from apps.cluster.api.live import LiveBody, LiveViewSet, live_body, live_response
from apps.cluster.api.schema import answers
from apps.cluster.errors import ClusterMissing
from apps.cluster.selectors import cluster_current
from apps.common.time import utc_now
from apps.nodes.api import serializers as shapes
from apps.nodes.api.errors import ClusterUnreachable, cluster_error, cluster_reached
from apps.nodes.api.figures import (
    MAX_EVENT_ID,
    min_event_id_parse,
    node_figures,
    node_figures_body,
    node_row_find,
)
from apps.nodes.api.history.entries import entries_body, is_asked
from apps.nodes.api.history.rendering import rendered
from apps.nodes.api.listing import MOST, Listing, limit_parse, listing_parameters, listing_read
from apps.nodes.api.topology_page import topology_page
from apps.nodes.api.topology_part import PARAMETERS as TOPOLOGY
from apps.nodes.api.topology_part import topology_part, topology_part_read
from apps.nodes.api.workers import WORKERS, node_workers_body, workers_body
from apps.nodes.cache import topology_cached
from apps.nodes.models import FigureKind
from apps.nodes.rows import Topology
from apps.nodes.selectors import system_entries, workers_total

NODE_ID = OpenApiParameter(
    "node_id",
    {"type": "integer", "minimum": 0, "maximum": 999_999_999},
    OpenApiParameter.PATH,
    description="The node's line in the host list, from 0.",
)
MIN_EVENT_ID = OpenApiParameter(
    "min_event_id",
    {"type": "integer", "minimum": 0, "maximum": MAX_EVENT_ID, "default": 0},
    description="Only samples with this event id or a later one; default: all that are kept.",
)
LIMIT = OpenApiParameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MOST},
    description="At most so many, the oldest; `last_event_id` is then that of the last given, "
    "so that asking for it plus one gives the next page. Not for a range of time.",
)
RANGE = [
    OpenApiParameter(
        name,
        {"type": "string", "maxLength": 60},
        description=(
            f"{what} of a range of time, answered from the history, also for a node that is "
            "down: ISO 8601, Unix seconds, a time back from now such as `-15m`, or `now`."
        ),
    )
    for name, what in (("from", "Start"), ("to", "End"))
]
NODE = OpenApiParameter(
    "node",
    {"type": "string", "pattern": "^(all|[0-9]{1,9})?$"},
    description=(
        "`all`, or a node's id. Left out: the node whose runtime the portal's own machine "
        "runs, else the leader."
    ),
)


class TopologyViewSet(LiveViewSet):
    """Who is alive, and how busy is each."""

    @extend_schema(
        operation_id="topology",
        summary="All nodes with their state and system figures",
        parameters=TOPOLOGY,
        responses=answers(
            shapes.TopologySerializer, unreachable=shapes.TopologyErrorSerializer, bad=True
        ),
    )
    def retrieve(self, request: Request) -> HttpResponse:
        part = topology_part_read(request)
        return live_response(request, _topology(part, at=utc_now()))


class SystemViewSet(LiveViewSet):
    """Sums over the whole cluster."""

    @extend_schema(
        operation_id="system",
        summary="Sums over the workers of all nodes",
        responses=answers(shapes.SystemSerializer, unreachable=shapes.SystemErrorSerializer),
    )
    def retrieve(self, request: Request) -> HttpResponse:
        return live_response(request, _system(at=utc_now()))


class WorkersViewSet(LiveViewSet):
    """Workers of the local node, of one node, or of all."""

    @extend_schema(
        operation_id="workers",
        summary="Workers of the local node, or of all nodes",
        parameters=[NODE, *listing_parameters(**WORKERS)],
        responses=answers(
            shapes.FleetWorkersSerializer,
            unreachable=shapes.NodeErrorSerializer,
            bad=True,
            node=True,
        ),
    )
    def retrieve(self, request: Request) -> HttpResponse:
        asked, listing = request.query_params.get("node", ""), listing_read(request, **WORKERS)
        return live_response(request, workers_body(asked, listing, at=utc_now()))


class NodeWorkersViewSet(LiveViewSet):
    """The workers of one node."""

    @extend_schema(
        operation_id="node_workers",
        summary="Workers of one node",
        parameters=[NODE_ID, *listing_parameters(**WORKERS)],
        responses=answers(
            shapes.WorkersSerializer, unreachable=shapes.NodeErrorSerializer, bad=True, node=True
        ),
    )
    def retrieve(self, request: Request, node_id: str) -> HttpResponse:
        listing = listing_read(request, **WORKERS)
        return live_response(request, node_workers_body(node_id, listing, at=utc_now()))


class NodeSystemStatsViewSet(LiveViewSet):
    """The recent system samples of one node, about one a second."""

    @extend_schema(
        operation_id="node_system_stats",
        summary="System samples of one node, oldest first",
        parameters=[NODE_ID, MIN_EVENT_ID, LIMIT, *RANGE],
        responses=answers(
            shapes.SystemStatsSerializer,
            unreachable=shapes.NodeErrorSerializer,
            bad=True,
            node=True,
        ),
    )
    def retrieve(self, request: Request, node_id: str) -> HttpResponse:
        at = utc_now()
        asked = min_event_id_parse(request.query_params.get("min_event_id"))
        limit = limit_parse(request.query_params.get("limit"))
        if is_asked(request.query_params):
            row = node_row_find(node_id, at=at)
            fields = entries_body(row.node_id, request.query_params, at=at)
            return live_response(request, rendered(fields))
        return live_response(request, _system_stats(node_id, asked, limit, at=at))


def _topology(part: Listing | None, *, at: datetime) -> LiveBody:
    try:
        return topology_page(at=at) if part is None else topology_part(part, at=at)
    except ClusterMissing as missing:
        fields = {"error": missing.message, "code": missing.code, "remedy": missing.remedy}
        empty = {"nodes": [], "stale": True, "connected": False, "cursor": 0, "counts": {}}
        return live_body(
            {**fields, **empty, "is_simulated": False}, sampled_at=None, age_s=None, status=503
        )


def _system(*, at: datetime) -> LiveBody:
    try:
        topology = topology_cached(at=at)
    except ClusterMissing as missing:
        raise ClusterUnreachable(
            missing.message, missing.code, missing.remedy or "", **_counted(None)
        ) from missing
    if not cluster_reached(topology):
        raise cluster_error(topology, **_counted(topology))
    total = workers_total(cluster_current(), at=at)
    return live_body(
        {
            "workers": total.workers,
            "queued": total.queued,
            "blocked": total.blocked,
            "processed": total.processed,
            "nodes_counted": total.nodes_counted,
            **_counted(topology),
            "connected": True,
        },
        sampled_at=total.sampled_at,
        age_s=total.age_s,
    )


def _counted(topology: Topology | None) -> dict[str, Any]:
    """Nodes by state, as every answer of the system route says it."""
    rows = topology.nodes if topology else []
    counts = topology.counts if topology else {}
    return {
        "connected": False,
        "nodes": len(rows),
        "nodes_alive": sum(1 for row in rows if row.alive),
        "states": {state: count for state, count in counts.items() if state != "nodes"},
    }


def _system_stats(node_id: str, min_event_id: int, limit: int | None, *, at: datetime) -> LiveBody:
    found = node_figures(node_row_find(node_id, at=at), FigureKind.SYSTEM, at=at)
    entries = system_entries(found.node, min_event_id=min_event_id)[:limit]
    newest = found.latest
    of_this_boot = newest.boot == found.node.boot
    last = entries[-1] if entries else newest.figures if of_this_boot else None
    fields = {
        "entries": entries,
        "boot": found.node.boot,
        "last_event_id": last["event_id"] if last else None,
    }
    return node_figures_body(found, fields)
