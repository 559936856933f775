"""Declared and live pools; the block devices and containers of a node."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from apps.cluster.api.errors import config_error
from apps.cluster.api.live import LiveViewSet, live_body, live_response
from apps.cluster.api.schema import answers
from apps.cluster.api.serializers import ConfigBrokenSerializer, ConfigMissingSerializer
from apps.cluster.selectors import cluster_current
from apps.common.time import utc_now
from apps.nodes.api.figures import node_figures, node_figures_body, node_row_find
from apps.nodes.api.listing import FALSE, TRUE, listing_parameters, listing_read
from apps.nodes.api.serializers import NodeErrorSerializer
from apps.nodes.api.views import NODE_ID
from apps.nodes.models import FigureKind
from apps.pools.api import serializers as shapes
from apps.pools.selectors import PoolRow, pools_view

POOLS: dict[str, Any] = {
    "orders": ("pool_id", "pool_name", "mod_name"),
    "filters": {"live": (TRUE, FALSE, "null"), "mod_name": ()},
}
DEVICES: dict[str, Any] = {
    "orders": (
        *("pool_id", "pool_name", "total_capacity", "remaining_capacity"),
        *("read_bytes_per_s", "write_bytes_per_s", "predicted_ttl_days"),
    ),
    "filters": {"pool_id": (), "bdev_type": tuple("0123456")},
}
CONTAINERS: dict[str, Any] = {
    "orders": ("pool_id", "pool_name", "chimod_name", "container_id"),
    "filters": {"pool_id": (), "chimod_name": ()},
}
IN_NAMES = "A part of the pool's name."


class PoolsViewSet(LiveViewSet):
    """The pools that the configuration declares, and whether they run."""

    @extend_schema(
        operation_id="pools",
        summary="Declared pools, and where they run",
        parameters=listing_parameters(**POOLS, searched=IN_NAMES),
        responses=answers(
            shapes.PoolsSerializer,
            bad=True,
            missing=ConfigMissingSerializer,
            unreachable=ConfigBrokenSerializer,
        ),
    )
    def retrieve(self, request: Request) -> HttpResponse:
        listing = listing_read(request, **POOLS, searched=True)
        view = pools_view(cluster_current(), at=utc_now())
        if view.config.config is None:
            raise config_error(view.config)
        fields = {
            declared: listing.chosen(
                [pool_fields(pool) for pool in view.pools if pool.declared is declared],
                texts=("pool_name",),
            )
            for declared in (True, False)
        }
        # One list of two parts: pages go through the declared ones first.
        page, paging = listing.page([*fields[True], *fields[False]])
        split = max(0, len(fields[True]) - listing.offset)
        body = live_body(
            {
                "pools": page[:split],
                "undeclared": page[split:],
                **paging,
                "nodes_known": view.nodes_known,
                "nodes": view.nodes_total,
            },
            sampled_at=view.sampled_at,
            age_s=view.age_s,
        )
        return live_response(request, body)


class NodeBlockDevicesViewSet(LiveViewSet):
    """The block devices of one node."""

    @extend_schema(
        operation_id="node_bdev_stats",
        summary="Block devices of one node",
        parameters=[NODE_ID, *listing_parameters(**DEVICES, searched=IN_NAMES)],
        responses=answers(
            shapes.DevicesSerializer, unreachable=NodeErrorSerializer, bad=True, node=True
        ),
    )
    def retrieve(self, request: Request, node_id: str) -> HttpResponse:
        at, listing = utc_now(), listing_read(request, **DEVICES, searched=True)
        found = node_figures(node_row_find(node_id, at=at), FigureKind.BLOCK_DEVICES, at=at)
        page, paging = listing.page(listing.chosen(found.latest.figures, texts=("pool_name",)))
        fields = {"devices": page, **paging}
        return live_response(request, node_figures_body(found, fields))


class NodeContainersViewSet(LiveViewSet):
    """The containers of one node."""

    @extend_schema(
        operation_id="node_container_stats",
        summary="Containers of one node, with what they have learned",
        parameters=[NODE_ID, *listing_parameters(**CONTAINERS, searched=IN_NAMES)],
        responses=answers(
            shapes.ContainersSerializer, unreachable=NodeErrorSerializer, bad=True, node=True
        ),
    )
    def retrieve(self, request: Request, node_id: str) -> HttpResponse:
        at, listing = utc_now(), listing_read(request, **CONTAINERS, searched=True)
        found = node_figures(node_row_find(node_id, at=at), FigureKind.CONTAINERS, at=at)
        page, paging = listing.page(listing.chosen(found.latest.figures, texts=("pool_name",)))
        fields = {"containers": page, **paging}
        return live_response(request, node_figures_body(found, fields))


def pool_fields(pool: PoolRow) -> dict[str, Any]:
    """One pool in the contract's words."""
    return {
        "mod_name": pool.mod_name,
        "pool_name": pool.pool_name,
        "pool_id": pool.pool_id,
        "pool_query": pool.pool_query,
        "live": pool.live,
        "nodes": pool.nodes,
        "drift": str(pool.drift),
    }
