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
from apps.nodes.api.serializers import NodeErrorSerializer
from apps.nodes.api.views import NODE_ID
from apps.nodes.models import FigureKind
from apps.pools.api import serializers as shapes
from apps.pools.selectors import PoolRow, pools_view


class PoolsViewSet(LiveViewSet):
    """The pools that the configuration declares, and whether they run."""

    @extend_schema(
        operation_id="pools",
        summary="Declared pools, and where they run",
        responses=answers(
            shapes.PoolsSerializer,
            missing=ConfigMissingSerializer,
            unreachable=ConfigBrokenSerializer,
        ),
    )
    def retrieve(self, request: Request) -> HttpResponse:
        view = pools_view(cluster_current(), at=utc_now())
        if view.config.config is None:
            raise config_error(view.config)
        body = live_body(
            {
                "pools": [pool_fields(pool) for pool in view.pools if pool.declared],
                "undeclared": [pool_fields(pool) for pool in view.pools if not pool.declared],
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
        parameters=[NODE_ID],
        responses=answers(shapes.DevicesSerializer, unreachable=NodeErrorSerializer, node=True),
    )
    def retrieve(self, request: Request, node_id: str) -> HttpResponse:
        at = utc_now()
        found = node_figures(node_row_find(node_id, at=at), FigureKind.BLOCK_DEVICES, at=at)
        fields = {"devices": found.latest.figures}
        return live_response(request, node_figures_body(found, fields))


class NodeContainersViewSet(LiveViewSet):
    """The containers of one node."""

    @extend_schema(
        operation_id="node_container_stats",
        summary="Containers of one node, with what they have learned",
        parameters=[NODE_ID],
        responses=answers(shapes.ContainersSerializer, unreachable=NodeErrorSerializer, node=True),
    )
    def retrieve(self, request: Request, node_id: str) -> HttpResponse:
        at = utc_now()
        found = node_figures(node_row_find(node_id, at=at), FigureKind.CONTAINERS, at=at)
        fields = {"containers": found.latest.figures}
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
