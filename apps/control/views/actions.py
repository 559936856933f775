"""An action on one node: what there is to press, and the page that asks before it is done."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.decorators import portal_permission
from apps.accounts.errors import FreshSignInNeeded
from apps.accounts.sessions import fresh_is, to_confirmation
from apps.cluster.selectors import cluster_current
from apps.common.errors import PortalError
from apps.control.actions import ACTIONS, Action, action_get
from apps.control.errors import ConfirmNeeded, IdempotencyReused
from apps.control.models import ControlJob
from apps.control.remote.types import RemoteFailure
from apps.control.selectors import job_last
from apps.control.services import Order, control_job_launch
from apps.control.services.dry_run import Rehearsal, control_job_rehearse
from apps.control.services.launch import node_number
from apps.control.views.common import (
    NOTHING_NEW,
    key_new,
    key_of,
    parameter_fields,
    parameters_meant,
    parameters_typed,
    reason_of,
    user_of,
)
from apps.control.views.drafts import draft_drop, draft_keep, draft_of
from apps.control.warnings import warnings_mark, warnings_of
from apps.nodes.models import Node
from apps.nodes.rows import NodeRow
from apps.nodes.selectors import node_get, node_row

JOBS_SHOWN = 5
WORDS = {
    "shutdown": "Stops the runtime on this node, and watches until its port is closed.",
    "restart": "Stops the runtime if it runs, starts it anew, and watches until it answers "
    "as another process.",
    "start": "Starts the runtime, and watches until it answers.",
    "status": "Asks clio_run on the node's machine what it knows of the runtime. Changes nothing.",
}


@require_safe
@portal_permission("view_jobs")
def node_control_fragment(request: HttpRequest, node_id: int) -> HttpResponse:
    """The panel of a node's page: buttons, what is being done, and what was done last."""
    at = timezone.now()
    node = node_get(cluster_current(), node_id=node_id)
    row = node_row(node, at=at)
    last = list(ControlJob.objects.filter(node=node).order_by("-pk")[:JOBS_SHOWN])
    cursor = _panel_cursor(row, last)
    if request.GET.get("cursor") == cursor:
        return HttpResponse(status=NOTHING_NEW)
    context = {
        "at": at,
        "cursor": cursor,
        "row": row,
        "jobs": last,
        "busy": next((job for job in last if not job.is_final), None),
        "actions": _offered(row),
        "read_only": settings.PORTAL_READ_ONLY,
    }
    return render(request, "control/_node_control.html", context)


def _panel_cursor(row: NodeRow, jobs: list[ControlJob]) -> str:
    told = ".".join(f"{job.pk}{job.status}{job.cancel_requested_at is not None}" for job in jobs)
    kept = int(row.maintenance is not None)
    return f"{row.state}.{int(settings.PORTAL_READ_ONLY)}.{kept}.{told}"


@require_safe
@portal_permission("operate_nodes")
def node_actions_page(request: HttpRequest, node_id: int) -> HttpResponse:
    """All actions with what each does; where a card's link leads."""
    at = timezone.now()
    node = node_get(cluster_current(), node_id=node_id)
    row = node_row(node, at=at)
    last = job_last(node)
    context = {
        "at": at,
        "section": "topology",
        "row": row,
        "actions": _offered(row),
        "busy": None if last is None or last.is_final else last,
        "read_only": settings.PORTAL_READ_ONLY,
    }
    return render(request, "control/actions.html", context)


def _offered(row: NodeRow) -> list[dict[str, Any]]:
    """Every action; `fits` says whether the node's state makes it the likely one."""
    return [
        {
            "name": action.name,
            "title": action.title,
            "words": WORDS.get(action.name, ""),
            "fits": _fits(action, row),
            "takes_down": action.takes_down,
        }
        for action in ACTIONS.values()
    ]


def _fits(action: Action, row: NodeRow) -> bool:
    if action.name == "shutdown":
        return row.state != "down"
    if action.name == "start":
        return row.state in ("down", "unknown")
    return True


@portal_permission("operate_nodes")
@require_http_methods(["GET", "HEAD", "POST"])
def node_action_page(request: HttpRequest, node_id: int, action: str) -> HttpResponseBase:
    """GET asks and shows what would be run; POST launches and goes to the job."""
    at = timezone.now()
    wanted = action_get(action)
    node = node_get(cluster_current(), node_id=node_id)
    if request.method == "POST":
        return _launch(request, node, wanted, at=at)
    context = _action_context(node, wanted, at=at) | _asks_again(request, at=at)
    draft = draft_of(request)
    # Ticked again only for the warnings that were read.
    context |= draft | {"confirmed": bool(draft) and draft["seen"] == context["warnings"]}
    typed = draft.get("parameters", {})
    context["parameter_fields"] = parameter_fields(wanted.parameters, typed)
    return render(request, "control/action.html", context)


def _asks_again(request: HttpRequest, *, at: datetime) -> dict[str, bool]:
    """Will going on ask for the password, if there is a warning?"""
    return {"asks_password": not fresh_is(request, at=at)}


def _launch(request: HttpRequest, node: Node, action: Action, *, at: datetime) -> HttpResponseBase:
    parameters = parameters_typed(request, action.parameters)
    order = Order(
        action=action.name,
        parameters=parameters_meant(parameters),
        reason=reason_of(request),
        confirmed=request.POST.get("confirm") == "yes",
        read=request.POST.get("read", ""),
        fresh=fresh_is(request, at=at),
        idempotency_key=key_of(request),
    )
    try:
        launched = control_job_launch(node=node, user=user_of(request), order=order, at=at)
    except FreshSignInNeeded:
        seen = warnings_of(node.cluster, action, node_ids=[node_number(node)], at=at)
        typed = {
            "reason": order.reason,
            "key": order.idempotency_key,
            "seen": seen,
            "parameters": parameters,
        }
        return to_confirmation(request, back=draft_keep(request, typed))
    except PortalError as error:
        context = _action_context(node, action, at=at) | {
            "problem": error,
            "problem_job": (error.extra or {}).get("job"),
            "unconfirmed": isinstance(error, ConfirmNeeded),
            "reason": order.reason,
            "parameter_fields": parameter_fields(action.parameters, parameters),
            "confirmed": order.confirmed and not isinstance(error, ConfirmNeeded),
            "key": key_new() if isinstance(error, IdempotencyReused) else order.idempotency_key,
            **_asks_again(request, at=at),
        }
        return render(request, "control/action.html", context, status=error.status)
    draft_drop(request)
    return redirect("job", launched.job.pk)


def _action_context(node: Node, action: Action, *, at: datetime) -> dict[str, Any]:
    rehearsal, no_way = _rehearse(node, action, at=at)
    warnings = warnings_of(node.cluster, action, node_ids=[node_number(node)], at=at)
    return {
        "at": at,
        "section": "topology",
        "row": node_row(node, at=at),
        "action": action,
        "words": WORDS.get(action.name, ""),
        "rehearsal": rehearsal,
        "no_way": no_way,
        "warnings": warnings,
        "read": warnings_mark(warnings),
        "busy": ControlJob.objects.active().filter(node=node).first(),
        "reason_needed": settings.PORTAL_REASON_REQUIRED,
        "read_only": settings.PORTAL_READ_ONLY,
        "reason": "",
        "parameter_fields": parameter_fields(action.parameters, {}),
        "key": key_new(),
    }


def _rehearse(
    node: Node, action: Action, *, at: datetime
) -> tuple[Rehearsal | None, RemoteFailure | None]:
    try:
        return control_job_rehearse(node=node, action=action.name, at=at), None
    except RemoteFailure as failure:
        return None, failure
