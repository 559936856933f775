"""Maintenance: taking a node out of service, and back."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.audit.services import Actor
from apps.cluster.api.live import LiveViewSet, iso
from apps.cluster.api.schema import answers
from apps.common.time import utc_now
from apps.control.api import serializers as shapes
from apps.control.api.body import body_of, text_of, time_of
from apps.control.api.node_views import node_find
from apps.nodes.api.errors import BadParameter
from apps.nodes.api.views import NODE_ID
from apps.nodes.maintenance import maintenance_begin, maintenance_end, maintenance_of
from apps.nodes.models import Maintenance, Node


class MaintenanceViewSet(LiveViewSet):
    """A node's maintenance."""

    required_permissions = {
        "retrieve": "view_live",
        "begin": "operate_nodes",
        "end": "operate_nodes",
    }
    required_permission = "view_live"

    @extend_schema(
        operation_id="node_maintenance",
        summary="Is the node kept out of service?",
        parameters=[NODE_ID],
        responses=answers(shapes.MaintenanceSerializer, node=True),
    )
    def retrieve(self, request: Request, node_id: str) -> Response:
        node = node_find(node_id)
        return Response(_fields(node, maintenance_of(node, at=utc_now())))

    @extend_schema(
        operation_id="node_maintenance_begin",
        summary="Keep the node out of service, or change why and until when",
        parameters=[NODE_ID],
        request=shapes.MaintenanceOrderSerializer,
        responses=answers(shapes.MaintenanceSerializer, bad=True, node=True),
    )
    def begin(self, request: Request, node_id: str) -> Response:
        node = node_find(node_id)
        body = body_of(request)
        until = body.get("until")
        if until is not None and not isinstance(until, str):
            raise BadParameter("until", str(until), wanted="a time such as 2026-11-22T12:00:00Z")
        row = maintenance_begin(
            node,
            actor=Actor.of(request.user),
            reason=text_of(body, "reason"),
            until=time_of(until, "until") if until else None,
            at=utc_now(),
        )
        return Response(_fields(node, row))

    @extend_schema(
        operation_id="node_maintenance_end",
        summary="Take the node back into service",
        parameters=[NODE_ID],
        request=None,
        responses=answers(shapes.MaintenanceSerializer, node=True),
    )
    def end(self, request: Request, node_id: str) -> Response:
        node = node_find(node_id)
        maintenance_end(node, actor=Actor.of(request.user), at=utc_now())
        return Response(_fields(node, None))


def _fields(node: Node, row: Maintenance | None) -> dict[str, object]:
    kept = None
    if row is not None:
        kept = {
            "by": row.by_name,
            "reason": row.reason,
            "since": iso(row.since),
            "until": iso(row.until),
        }
    return {"node_id": node.node_id, "maintenance": kept}
