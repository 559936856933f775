"""The documented POST routes of a node, and their companions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import User
from apps.cluster.api.live import LiveViewSet
from apps.cluster.selectors import cluster_current
from apps.common.time import utc_now
from apps.control.actions import action_get
from apps.control.api import serializers as shapes
from apps.control.api.answers import job_result
from apps.control.api.body import body_of, flag_of, order_of, wait_parameter
from apps.control.api.schema import IDEMPOTENCY, WAIT, launch_answers
from apps.control.api.waiting import job_wait
from apps.control.errors import job_url
from apps.control.models import ControlJob
from apps.control.services import Order, control_job_launch, control_job_rehearse
from apps.nodes.api.figures import NODE_ID as NODE_ID_FORM
from apps.nodes.api.views import NODE_ID
from apps.nodes.errors import NodeUnknown
from apps.nodes.models import Node
from apps.nodes.selectors import node_get

Method = TypeVar("Method", bound=Callable[..., Any])
ACTIONS = ("shutdown", "restart", "start", "status")


def node_find(text: str) -> Node:
    """The node that a path names, at once: the list is known. Raises NodeUnknown (404)."""
    if not NODE_ID_FORM.fullmatch(text):
        raise NodeUnknown(repr(text[:40]))
    return node_get(cluster_current(), node_id=int(text))


def _documented(action: str, summary: str) -> Callable[[Method], Method]:
    takes_some = bool(action_get(action).parameters)
    documented: Callable[[Method], Method] = extend_schema(
        operation_id=f"node_{action}",
        summary=summary,
        parameters=[NODE_ID, WAIT, IDEMPOTENCY],
        request=shapes.OrderSerializer if takes_some else shapes.ReasonSerializer,
        responses=launch_answers(),
    )
    return documented


class NodeActionViewSet(LiveViewSet):
    """One action on one node, as a job that the call waits for."""

    required_permission = "operate_nodes"

    @_documented("shutdown", "Shut a node's runtime down")
    def shutdown(self, request: Request, node_id: str) -> Response:
        return _do(request, node_id, "shutdown")

    @_documented("restart", "Restart a node's runtime")
    def restart(self, request: Request, node_id: str) -> Response:
        return _do(request, node_id, "restart")

    @_documented("start", "Start a node's runtime")
    def start(self, request: Request, node_id: str) -> Response:
        return _do(request, node_id, "start")

    @_documented("status", "Ask a node's runtime for its status")
    def status(self, request: Request, node_id: str) -> Response:
        return _do(request, node_id, "status")


def _do(request: Request, node_id: str, action: str) -> Response:
    node = node_find(node_id)
    body = body_of(request)
    wait_s = wait_parameter(request)
    order = order_of(request, body, action=action)
    if flag_of(body, "dry_run"):
        return _rehearsal(node, order)
    launched = control_job_launch(node=node, user=user_of(request), order=order, at=utc_now())
    job = job_wait(launched.job.pk, wait_s=wait_s)
    response = launched_response(job)
    if not launched.created:
        response["Idempotency-Replayed"] = "true"
    return response


def user_of(request: Request) -> User:
    if not isinstance(request.user, User):
        raise TypeError("the permission let a stranger in")
    return request.user


def launched_response(job: ControlJob) -> Response:
    """200 done, 502 not done, 202 not at its end: look at ``url`` again."""
    result = job_result(job)
    success = result["success"]
    status = 202 if success is None else 200 if success else 502
    return Response(result, status=status, headers={"Location": job_url(job.pk)})


def _rehearsal(node: Node, order: Order) -> Response:
    shown = control_job_rehearse(node=node, action=order.action, at=utc_now())
    busy = shown.busy_with
    return Response(
        {
            "success": True,
            "returncode": None,
            "stdout": "",
            "stderr": "",
            "dry_run": True,
            "action": order.action,
            "node_id": node.node_id,
            "node": node.address,
            "commands": [
                {
                    "command_line": command.command_line,
                    "where": command.where,
                    "as_whom": command.as_whom,
                    "via": command.via,
                }
                for command in shown.commands
            ],
            "warnings": shown.warnings,
            "busy_with": None if busy is None else busy.pk,
        }
    )
