"""Batches: one action on several nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.audit.services import Actor
from apps.cluster.api.live import LiveViewSet
from apps.cluster.api.schema import answers
from apps.cluster.models import Cluster
from apps.cluster.selectors import cluster_current
from apps.common.time import utc_now
from apps.control.actions import ACTIONS, action_get
from apps.control.api import serializers as shapes
from apps.control.api.answers import batch_detail, batch_fields, batch_url
from apps.control.api.body import WHOLE, body_of, flag_of, order_of, whole_of
from apps.control.api.node_views import user_of
from apps.control.api.paging import PAGING, page_read
from apps.control.api.schema import BATCH, IDEMPOTENCY, error, found_answers, parameter
from apps.control.errors import BatchInvalid, BatchUnknown
from apps.control.models import BatchStatus, JobBatch
from apps.control.selectors import batch_get, batches, batches_counts
from apps.control.services import (
    BatchOrder,
    batch_cancel,
    batch_launch,
    batch_pause,
    batch_resume,
    control_job_rehearse,
)
from apps.control.services.rolling import MOST_NODES
from apps.nodes.api.errors import BadParameter
from apps.nodes.errors import NodeUnknown
from apps.nodes.models import Node
from apps.nodes.selectors import topology, topology_filter

ALL = "all"


class BatchViewSet(LiveViewSet):
    """Batches of control jobs, rolling or all at once."""

    required_permissions = {
        "list": "view_jobs",
        "retrieve": "view_jobs",
        "create": "operate_nodes",
        "pause": "operate_nodes",
        "resume": "operate_nodes",
        "cancel": "operate_nodes",
    }
    required_permission = "view_jobs"

    @extend_schema(
        operation_id="batches",
        summary="Batches of control jobs, newest first",
        parameters=[
            parameter(
                "status", {"type": "string", "enum": BatchStatus.values}, "Only with this status."
            ),
            parameter(
                "action", {"type": "string", "enum": sorted(ACTIONS)}, "Only of this action."
            ),
            *PAGING,
        ],
        responses=answers(shapes.BatchListSerializer, bad=True),
    )
    def list(self, request: Request) -> Response:
        wanted = batches()
        for name, words in (("status", BatchStatus.values), ("action", sorted(ACTIONS))):
            word = request.query_params.get(name, "")
            if word and word not in words:
                raise BadParameter(name, word, wanted=f"one of {', '.join(words)}")
            if word:
                wanted = wanted.filter(**{name: word})
        page, following = page_read(request, wanted)
        counts = batches_counts(page)
        return Response(
            {
                "batches": [batch_fields(batch, counts[batch.pk]) for batch in page],
                "next": following,
            }
        )

    @extend_schema(
        operation_id="batch_launch",
        summary="Do one action on several nodes",
        parameters=[IDEMPOTENCY],
        request=shapes.BatchOrderSerializer,
        responses={
            **{
                status: answer
                for status, answer in answers(shapes.BatchDetailSerializer, bad=True).items()
                if status != 200
            },
            200: OpenApiResponse(description="A dry run: what would be run on each node."),
            202: OpenApiResponse(shapes.BatchDetailSerializer, description="It goes on: `url`."),
            404: error("One of the nodes does not exist."),
            409: OpenApiResponse(shapes.ConflictSerializer, description="To be confirmed."),
            422: error("The Idempotency-Key was used for something else."),
        },
    )
    def create(self, request: Request) -> Response:
        body = body_of(request)
        cluster = cluster_current()
        nodes = nodes_of(cluster, body.get("nodes"))
        action = body.get("action")
        if not isinstance(action, str):
            raise BadParameter("action", str(action), wanted="the name of an action")
        action_get(action)
        wanted = BatchOrder(
            order=order_of(request, body, action=action),
            size=whole_of(body, "size", default=1, low=0, high=MOST_NODES),
            stop_on_failure=flag_of(body, "stop_on_failure", default=True),
        )
        if flag_of(body, "dry_run"):
            return _rehearsal(nodes, action)
        done = batch_launch(
            cluster=cluster, nodes=nodes, user=user_of(request), wanted=wanted, at=utc_now()
        )
        headers = {"Location": batch_url(done.batch.pk)}
        if not done.created:
            headers["Idempotency-Replayed"] = "true"
        return Response(batch_detail(done.batch), status=202, headers=headers)

    @extend_schema(
        operation_id="batch",
        summary="One batch and its nodes",
        parameters=[BATCH],
        responses=found_answers(shapes.BatchDetailSerializer),
    )
    def retrieve(self, request: Request, batch_id: str) -> Response:
        return Response(batch_detail(batch_find(batch_id)))

    @extend_schema(
        operation_id="batch_pause",
        summary="Begin no further node for now",
        parameters=[BATCH],
        request=None,
        responses=found_answers(shapes.BatchDetailSerializer, conflict=True),
    )
    def pause(self, request: Request, batch_id: str) -> Response:
        batch = batch_pause(batch_find(batch_id), actor=Actor.of(request.user), at=utc_now())
        return Response(batch_detail(batch))

    @extend_schema(
        operation_id="batch_resume",
        summary="Go on with a paused batch",
        parameters=[BATCH],
        request=None,
        responses=found_answers(shapes.BatchDetailSerializer, conflict=True),
    )
    def resume(self, request: Request, batch_id: str) -> Response:
        batch = batch_resume(batch_find(batch_id), actor=Actor.of(request.user), at=utc_now())
        return Response(batch_detail(batch))

    @extend_schema(
        operation_id="batch_cancel",
        summary="Begin no further node, and cancel what runs",
        parameters=[BATCH],
        request=None,
        responses=found_answers(shapes.BatchDetailSerializer, conflict=True),
    )
    def cancel(self, request: Request, batch_id: str) -> Response:
        batch = batch_cancel(batch_find(batch_id), actor=Actor.of(request.user), at=utc_now())
        return Response(batch_detail(batch))


def batch_find(text: str) -> JobBatch:
    if not WHOLE.fullmatch(text):
        raise BatchUnknown(repr(text[:40]))
    return batch_get(int(text))


def nodes_of(cluster: Cluster, asked: object) -> list[Node]:
    """The nodes that a body names, in the order of their ids.

    Raises BadParameter, FilterError (400), NodeUnknown (404) for an id in a list that does
    not exist, and BatchInvalid when a text finds nothing.
    """
    rows = topology(cluster, at=utc_now()).nodes
    if isinstance(asked, list):
        pks = {row.node_id: row.pk for row in rows}
        wanted = [_listed(item, pks) for item in asked]
    elif isinstance(asked, str) and asked.strip():
        chosen = rows if asked.strip() == ALL else topology_filter(rows, text=asked)
        wanted = [row.pk for row in chosen]
    else:
        raise BadParameter("nodes", str(asked), wanted="a list of ids, or a text such as 0,2-4")
    if not wanted:
        raise BatchInvalid(f"No node matches {asked!r}.")
    found = Node.objects.select_related("cluster").in_bulk(wanted)
    return [found[pk] for pk in wanted]


def _listed(item: object, pks: Mapping[int, int]) -> int:
    if isinstance(item, bool) or not isinstance(item, int):
        raise BadParameter("nodes", str(item), wanted="a list of node ids")
    if item not in pks:
        raise NodeUnknown(item)
    return pks[item]


def _rehearsal(nodes: list[Node], action: str) -> Response:
    shown: list[dict[str, Any]] = []
    for node in nodes:
        rehearsed = control_job_rehearse(node=node, action=action, at=utc_now())
        shown.append(
            {
                "node_id": node.node_id,
                "node": node.address,
                "commands": [command.command_line for command in rehearsed.commands],
                "warnings": rehearsed.warnings,
                "busy_with": rehearsed.busy_with.pk if rehearsed.busy_with else None,
            }
        )
    return Response({"dry_run": True, "action": action, "nodes": shown})
