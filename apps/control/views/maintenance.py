"""Keeping a node out of service: the form, and its end."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.decorators import portal_permission
from apps.accounts.zones import TimeField, TimeFields, time_fields, time_value, viewer_zone
from apps.cluster.selectors import cluster_current
from apps.control.views.common import actor_of, reason_of
from apps.nodes.maintenance import MaintenanceInvalid, maintenance_begin, maintenance_end
from apps.nodes.models import Node
from apps.nodes.selectors import node_get, node_row

LENGTHS = {
    "1": "1 hour",
    "4": "4 hours",
    "24": "1 day",
    "168": "1 week",
}
"""Hours → in words."""
OPEN, UNTIL = "open", "until"


@portal_permission("operate_nodes")
@require_http_methods(["GET", "HEAD", "POST"])
def node_maintenance_page(request: HttpRequest, node_id: int) -> HttpResponse:
    """GET asks why and for how long; POST begins or changes it and goes back to the node."""
    at = timezone.now()
    node = node_get(cluster_current(), node_id=node_id)
    if request.method != "POST":
        context = _context(node, viewer_zone(request), at=at)
        return render(request, "control/maintenance.html", context)
    times = time_fields(request, {"until": "until"})
    given = {"reason": reason_of(request), "length": request.POST.get("length", OPEN)}
    try:
        maintenance_begin(
            node,
            actor=actor_of(request),
            reason=given["reason"],
            until=_until(given["length"], times, at=at),
            at=at,
        )
    except MaintenanceInvalid as error:
        context = _context(node, viewer_zone(request), at=at)
        context |= {"problem": error, "times": times} | given
        return render(request, "control/maintenance.html", context, status=error.status)
    return redirect("node", node_id)


@portal_permission("operate_nodes")
@require_POST
def node_maintenance_end_page(request: HttpRequest, node_id: int) -> HttpResponse:
    """Ending what is over already is no error."""
    node = node_get(cluster_current(), node_id=node_id)
    maintenance_end(node, actor=actor_of(request), at=timezone.now())
    return redirect("node", node_id)


def _context(node: Node, zone: tzinfo, *, at: datetime) -> dict[str, Any]:
    row = node_row(node, at=at)
    kept = row.maintenance
    until = kept.until if kept else None
    field = TimeField("until", "until", time_value(until, zone) if until else "", until)
    return {
        "at": at,
        "section": "topology",
        "row": row,
        "lengths": LENGTHS,
        "reason": kept.reason if kept else "",
        "length": UNTIL if until else OPEN if kept else "4",
        "times": TimeFields(str(zone), (field,), ()),
    }


def _until(length: str, times: TimeFields, *, at: datetime) -> datetime | None:
    """``None``: until somebody ends it. Raises MaintenanceInvalid."""
    if length in LENGTHS:
        return at + timedelta(hours=int(length))
    if length != UNTIL:
        return None
    moment = times.at("until")
    if moment is None:
        raise MaintenanceInvalid("Say until when, such as 2026-11-22T12:00.")
    return moment
