"""A part of the topology: the nodes that a filter leaves, in an order, page by page."""

from __future__ import annotations

from datetime import datetime

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.cluster.api.live import LiveBody
from apps.nodes.api.listing import Listing, listing_parameters, listing_read
from apps.nodes.api.topology_page import node_fields, topology_render
from apps.nodes.cache import topology_cached
from apps.nodes.filters import topology_filter
from apps.runtime.types import NodeState

ORDERS = (
    *("node_id", "address", "hostname", "state", "state_since", "last_seen_at"),
    *("cpu_usage_pct", "ram_usage_pct", "gpu_usage_pct", "hbm_usage_pct"),
)
STATE = OpenApiParameter(
    "state",
    {"type": "string", "pattern": f"^({'|'.join(NodeState)})?(,({'|'.join(NodeState)}))*$"},
    description="Only nodes in one of these states, with commas between.",
)
PARAMETERS = [
    STATE,
    *listing_parameters(
        orders=ORDERS,
        searched="Ids, ranges, parts of names, host names and addresses: `0,3-5,gpu`.",
    ),
]


def topology_part_read(request: Request) -> Listing | None:
    """What is asked for; ``None``: the whole topology. Raises BadParameter (400)."""
    if not request.META.get("QUERY_STRING"):
        return None
    listing = listing_read(request, orders=ORDERS, filters={"state": ()}, searched=True)
    return None if listing.is_whole else listing


def topology_part(listing: Listing, *, at: datetime) -> LiveBody:
    """200, or 503 when no node of the whole answers. Raises FilterError (400)."""
    topology = topology_cached(at=at)
    states = tuple(state for state in listing.wanted.get("state", "").split(",") if state)
    rows = topology_filter(topology.nodes, text=listing.text, states=states)
    nodes, paging = listing.page(listing.ordered(node_fields(row) for row in rows))
    return topology_render(topology, nodes, **paging)
