"""One action on several nodes: choosing them, looking once more, and following the batch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.decorators import portal_permission
from apps.accounts.errors import FreshSignInNeeded
from apps.accounts.sessions import fresh_is, to_confirmation
from apps.cluster.models import Cluster
from apps.cluster.selectors import cluster_current
from apps.common.errors import PortalError
from apps.control.actions import ACTIONS, PARAMETERS, Action, action_get
from apps.control.errors import BatchConflict, ConfirmNeeded, IdempotencyReused
from apps.control.models import BatchItem, JobBatch, JobStatus
from apps.control.parameters import parameters_checked
from apps.control.remote.types import RemoteFailure
from apps.control.selectors import batch_counts, batch_get, batches
from apps.control.services.dry_run import Rehearsal, control_job_rehearse
from apps.control.services.launch import Order
from apps.control.services.rolling import (
    MOST_NODES,
    BatchOrder,
    batch_cancel,
    batch_launch,
    batch_pause,
    batch_resume,
)
from apps.control.views.common import (
    NOTHING_NEW,
    REASON_LENGTH,
    actor_of,
    key_new,
    key_of,
    parameter_fields,
    parameters_given,
    parameters_meant,
    parameters_typed,
    query_of,
    reason_of,
    user_of,
    whole_of,
)
from apps.control.views.drafts import draft_drop, draft_keep, draft_of
from apps.control.warnings import warnings_mark, warnings_of
from apps.nodes.errors import FilterError
from apps.nodes.maintenance import nodes_in_maintenance
from apps.nodes.models import Node
from apps.nodes.rows import NodeRow
from apps.nodes.selectors import topology, topology_filter

BATCHES_PER_PAGE = 50
NODES_LENGTH = 1000
Change = Callable[..., JobBatch]
CHANGES: dict[str, Change] = {
    "pause": batch_pause,
    "resume": batch_resume,
    "cancel": batch_cancel,
}


@require_safe
@portal_permission("view_jobs")
def batches_page(request: HttpRequest) -> HttpResponse:
    page = Paginator(batches(), BATCHES_PER_PAGE).get_page(request.GET.get("page"))
    context = {"at": timezone.now(), "section": "jobs", "page": page}
    return render(request, "control/batches.html", context)


@portal_permission("operate_nodes")
@require_http_methods(["GET", "HEAD", "POST"])
def batch_new_page(request: HttpRequest) -> HttpResponseBase:
    """First the nodes and the action, then a look at what that means, then the launch."""
    at = timezone.now()
    cluster = cluster_current()
    draft = draft_of(request)
    given = draft.get("given") or _given(request)
    context: dict[str, Any] = {
        "at": at,
        "section": "jobs",
        "given": given,
        "actions": list(ACTIONS.values()),
        "parameter_fields": parameter_fields(PARAMETERS, given["parameters"]),
        "reason_needed": settings.PORTAL_REASON_REQUIRED,
        "read_only": settings.PORTAL_READ_ONLY,
        "key": draft.get("key") or key_of(request),
        "confirmed": _confirmed(request),
        "is_draft": bool(draft),
        "asks_password": not fresh_is(request, at=at),
    }
    if request.method != "POST" and not draft:
        return render(request, "control/batch_new.html", context)
    try:
        action, rows = _chosen(cluster, given, at=at)
        context |= _review(cluster, action, rows, size=_size(given, rows), at=at)
        if draft:  # ticked again only for the warnings that were read
            context["confirmed"] = draft["seen"] == context["warnings"]
        if request.POST.get("step") == "launch":
            batch = _launch(request, cluster, rows, given, key=context["key"], at=at)
            draft_drop(request)
            return redirect("batch", batch.pk)
    except FreshSignInNeeded:
        typed = {"given": given, "key": context["key"], "seen": context["warnings"]}
        return to_confirmation(request, back=draft_keep(request, typed))
    except PortalError as error:
        key = key_new() if isinstance(error, IdempotencyReused) else context["key"]
        context |= {"problem": error, "key": key}
        if isinstance(error, ConfirmNeeded):
            context["confirmed"] = False
        return render(request, "control/batch_new.html", context, status=error.status)
    return render(request, "control/batch_new.html", context)


def _given(request: HttpRequest) -> dict[str, Any]:
    fields = request.POST if request.method == "POST" else request.GET
    return {
        "nodes": fields.get("nodes", "").replace("\x00", "").strip()[:NODES_LENGTH],
        "action": fields.get("action", "restart"),
        "size": fields.get("size", "1").strip()[:9],
        # A box that is not ticked is not sent; on the empty form it is ticked.
        "stop_on_failure": "stop_on_failure" in fields or request.method != "POST",
        "parameters": parameters_typed(request, PARAMETERS),
        "reason": reason_of(request) or request.GET.get("reason", "")[:REASON_LENGTH],
    }


def _confirmed(request: HttpRequest) -> bool:
    return request.POST.get("confirm") == "yes"


def _chosen(
    cluster: Cluster, given: dict[str, Any], *, at: datetime
) -> tuple[Action, list[NodeRow]]:
    """Raises ActionUnknown, ParameterWrong, FilterError."""
    action = action_get(given["action"])
    parameters_checked(action.parameters, parameters_meant(given["parameters"]))
    if not given["nodes"]:
        raise FilterError("Say which nodes: none are named.")
    if whole_of(given["size"]) is None:
        raise FilterError("How many at a time is a whole number; 0 is all at once.")
    rows = topology_filter(topology(cluster, at=at).nodes, text=given["nodes"])
    if not 0 < len(rows) <= MOST_NODES:
        raise FilterError(f"That names {len(rows)} nodes; a batch takes 1 to {MOST_NODES}.")
    return action, rows


def _size(given: dict[str, Any], rows: list[NodeRow]) -> int:
    return min(whole_of(given["size"]) or len(rows), len(rows))


def _review(
    cluster: Cluster, action: Action, rows: list[NodeRow], *, size: int, at: datetime
) -> dict[str, Any]:
    """The nodes, the warnings, and the first node's commands as an example."""
    ids = [row.node_id for row in rows]
    together = size if action.name == "restart" else len(rows)
    rehearsal: Rehearsal | None = None
    no_way: RemoteFailure | None = None
    first = Node.objects.present().get(cluster=cluster, node_id=ids[0])
    try:
        rehearsal = control_job_rehearse(node=first, action=action.name, at=at)
    except RemoteFailure as failure:
        no_way = failure
    warnings = warnings_of(cluster, action, node_ids=ids, at=at, together=together)
    return {
        "rows": rows,
        "action": action,
        "size": size,
        "warnings": warnings,
        "read": warnings_mark(warnings),
        "rehearsal": rehearsal,
        "no_way": no_way,
    }


def _launch(
    request: HttpRequest,
    cluster: Cluster,
    rows: list[NodeRow],
    given: dict[str, Any],
    *,
    key: str,
    at: datetime,
) -> JobBatch:
    ids = [row.node_id for row in rows]
    found = Node.objects.present().filter(cluster=cluster, node_id__in=ids)
    wanted = BatchOrder(
        order=Order(
            action=given["action"],
            reason=given["reason"],
            parameters=parameters_meant(given["parameters"]),
            confirmed=_confirmed(request),
            read=request.POST.get("read", ""),
            fresh=fresh_is(request, at=at),
            idempotency_key=key,
        ),
        size=whole_of(given["size"]) or 0,
        stop_on_failure=given["stop_on_failure"],
    )
    nodes = list(found.select_related("cluster").order_by("node_id"))
    return batch_launch(
        cluster=cluster, nodes=nodes, user=user_of(request), wanted=wanted, at=at
    ).batch


@require_safe
@portal_permission("view_jobs")
def batch_page(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "control/batch.html", _batch_context(batch_get(pk), at=timezone.now()))


@require_safe
@portal_permission("view_jobs")
def batch_fragment(request: HttpRequest, pk: int) -> HttpResponse:
    context = _batch_context(batch_get(pk), at=timezone.now())
    if request.GET.get("cursor") == context["cursor"]:
        return HttpResponse(status=NOTHING_NEW)
    return render(request, "control/_batch.html", context)


def _batch_context(batch: JobBatch, *, at: datetime) -> dict[str, Any]:
    items = list(batch.items.select_related("job").order_by("position"))
    kept = nodes_in_maintenance(at=at)
    counts = batch_counts(batch)
    told = ".".join(f"{name}{count}" for name, count in sorted(counts.items()))
    action = ACTIONS.get(batch.action)
    left = [item.node_number for item in items if not _is_done(item)]
    return {
        "at": at,
        "section": "jobs",
        "batch": batch,
        "title": action.title if action else batch.action,
        "items": items,
        "parameters": parameters_given(action, batch.parameters),
        "kept": kept,
        "counts": counts,
        "done": counts.get("succeeded", 0),
        "cursor": f"{batch.status}.{told}.{len(kept)}",
        # A canceled batch is over before the jobs that it tells to end.
        "is_live": batch.finished_at is None or any(_goes_on(item) for item in items),
        "again": query_of(
            {
                "nodes": ",".join(str(number) for number in left),
                "action": batch.action,
                "size": str(batch.size),
                "reason": batch.reason,
                **{name: str(value) for name, value in batch.parameters.items()},
            }
        )
        if left
        else "",
    }


def _is_done(item: BatchItem) -> bool:
    return item.job is not None and item.job.status == JobStatus.SUCCEEDED


def _goes_on(item: BatchItem) -> bool:
    return item.job is not None and not item.job.is_final


@portal_permission("operate_nodes")
@require_POST
def batch_change_page(request: HttpRequest, pk: int, change: str) -> HttpResponse:
    """Pause, resume or cancel."""
    at = timezone.now()
    batch = batch_get(pk)
    try:
        if change not in CHANGES:
            raise BatchConflict(f"A batch can't be told to {change[:20]}.")
        CHANGES[change](batch, actor=actor_of(request), at=at)
    except BatchConflict as conflict:
        context = _batch_context(batch_get(pk), at=at) | {"problem": conflict}
        return render(request, "control/batch.html", context, status=conflict.status)
    return redirect("batch", batch.pk)
