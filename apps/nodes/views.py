"""The pages of nodes: topology, one node, and the fragments that keep them live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.cache import caches
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.decorators import portal_permission
from apps.accounts.roles import PERMISSIONS, permission_full_name
from apps.cluster.errors import ClusterMissing
from apps.cluster.models import Cluster
from apps.cluster.selectors import cluster_current
from apps.common.made_once import made_once, newest_made
from apps.nodes.cache import cluster_look, topology_cached
from apps.nodes.connection import connection_of
from apps.nodes.errors import FilterError, NodeUnknown
from apps.nodes.freshness import cursor_of, stale_after_s
from apps.nodes.models import FigureKind, Node
from apps.nodes.selectors import (
    NodeRow,
    Topology,
    WorkersTotal,
    latest,
    node_get,
    node_row,
    nodes_retired,
    state_changes,
    system_entries,
    topology_filter,
    workers_total,
)
from apps.nodes.trend import TREND_S, trend_of
from apps.nodes.trends import PRESETS, chart_titles, marks_url
from apps.runtime.types import NodeState

CARDS_PER_PAGE = 60
CHANGES_SHOWN = 20
NODE_IDS_OFFERED = 12
NOTHING_NEW = 204
NO_CURSOR = 0
CARDS_LAST_S = 2
"""How long markup may be given out where nothing new came: its ages count from its making."""


@require_safe
@portal_permission("view_live")
def topology_page(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    context = _topology_context(request, at=at)
    _, context["cards"] = _cards(request, context["cursor"], at=at, is_update=False)
    status = 400 if context["filter_error"] else 200
    return render(request, "nodes/topology.html", context, status=status)


@require_safe
@portal_permission("view_live")
def topology_fragment(request: HttpRequest) -> HttpResponse:
    """The cards. A poll (with a cursor) gets 204 when there is nothing new; a changed
    filter (without one) also sets the address of the page.
    """
    at = timezone.now()
    asked = request.GET.get("cursor")
    if asked is None:
        context = _topology_context(request, at=at) | {"is_update": True}
        response = render(request, "nodes/_topology.html", context)
        response.headers["HX-Replace-Url"] = f"{reverse('topology')}{_query(context)}"
        return response
    cursor = _cursor(at)
    if asked != str(cursor):
        cursor, cards = _cards(request, cursor, at=at, is_update=True)
        if asked != str(cursor):
            return HttpResponse(cards)
    return HttpResponse(status=NOTHING_NEW)


def _cards(request: HttpRequest, cursor: int, *, at: datetime, is_update: bool) -> tuple[int, str]:
    """The markup of the cards and its cursor: made once for all who ask the same with the same
    rights. While it is made anew for one poll, the others get the one before.

    A hundred people who look at sixty cards each would cost several cores.
    """

    def make() -> tuple[int, str]:
        context = _topology_context(request, at=at) | {"is_update": is_update}
        return context["cursor"], render_to_string("nodes/_topology.html", context, request)

    if not settings.PORTAL_LIVE_CACHE_S:
        return make()
    shown = (
        is_update,
        request.GET.get("q", ""),
        request.GET.getlist("state"),
        request.GET.get("page", ""),
        [request.user.has_perm(permission_full_name(name)) for name in sorted(PERMISSIONS)],
        timezone.get_current_timezone_name(),
        settings.PORTAL_READ_ONLY,
    )
    key = f"pages.topology.{sha256(repr(shown).encode()).hexdigest()}"
    if is_update:
        return newest_made(key, cursor, make, lasts_s=CARDS_LAST_S)
    # Who opens the page may have just changed something, and looks for it: no older one.
    return made_once(f"{key}.{cursor}", make, lasts_s=CARDS_LAST_S)


def _topology(at: datetime) -> Topology | None:
    try:
        return topology_cached(at=at)
    except ClusterMissing:
        return None


def _cursor(at: datetime) -> int:
    try:
        return cluster_look(at=at).cursor
    except ClusterMissing:
        return NO_CURSOR


def _cluster(at: datetime) -> Cluster | None:
    try:
        return cluster_look(at=at).cluster
    except ClusterMissing:
        return None


def _topology_context(request: HttpRequest, *, at: datetime) -> dict[str, Any]:
    topology = _topology(at)
    text = request.GET.get("q", "").strip()
    states = request.GET.getlist("state")
    rows, error = _filtered(topology, text=text, states=states)
    page: Page[NodeRow] = Paginator(rows, CARDS_PER_PAGE).get_page(request.GET.get("page"))
    cluster = _cluster(at)
    return {
        "at": at,
        "connection": connection_of(cluster, at=at),
        "topology": topology,
        "cursor": NO_CURSOR if topology is None else topology.cursor,
        "total": _workers_total(cluster, at=at),
        "page": page,
        "matched": len(rows),
        "text": text,
        "states": states,
        "state_counts": _state_counts(topology, states),
        "is_filtered": bool(text or states),
        "filter_error": error,
        "filter_query": urlencode([*_text_pair(text), *(("state", state) for state in states)]),
        "poll_s": settings.PORTAL_POLL_SYSTEM_S,
        "old_after_s": stale_after_s(FigureKind.SYSTEM),
        "read_only": settings.PORTAL_READ_ONLY,
    }


def _workers_total(cluster: Cluster | None, *, at: datetime) -> WorkersTotal | None:
    """Summed once per round, however many people look."""
    if cluster is None:
        return None
    polled = cluster.polled_at.timestamp() if cluster.polled_at else ""
    key = f"pages.workers_total.{cluster.pk}.{polled}.{cursor_of(cluster, at=at)}"
    cache = caches["live"]
    held: WorkersTotal | None = cache.get(key)
    if held is None:
        held = workers_total(cluster, at=at)
        cache.set(key, held, timeout=settings.PORTAL_POLL_SYSTEM_S)
    return held


def _filtered(
    topology: Topology | None, *, text: str, states: Sequence[str]
) -> tuple[list[NodeRow], FilterError | None]:
    if topology is None:
        return [], None
    try:
        return topology_filter(topology.nodes, text=text, states=states), None
    except FilterError as error:
        return [], error


def _state_counts(topology: Topology | None, chosen: Sequence[str]) -> list[dict[str, Any]]:
    """One entry per state for chips and the bar; ``x`` and ``width`` are percentages."""
    counts = topology.counts if topology else {}
    total = counts.get("nodes")
    listed: list[dict[str, Any]] = []
    x = 0.0
    for state in NodeState:
        count = counts.get(state.value)
        width = 100 * count / total if count and total else 0.0
        listed.append(
            {
                "state": state.value,
                "count": count,
                "chosen": state.value in chosen,
                "x": f"{x:.2f}",
                "width": f"{width:.2f}",
            }
        )
        x += width
    return listed


def _text_pair(text: str) -> list[tuple[str, str]]:
    return [("q", text)] if text else []


def _query(context: dict[str, Any]) -> str:
    pairs = [context["filter_query"]] if context["filter_query"] else []
    if context["page"].number > 1:
        pairs.append(urlencode({"page": context["page"].number}))
    return f"?{'&'.join(pairs)}" if pairs else ""


@require_safe
@portal_permission("view_live")
def node_page(request: HttpRequest, node_id: int) -> HttpResponse:
    at = timezone.now()
    cluster = cluster_current()
    try:
        node = node_get(cluster, node_id=node_id)
    except NodeUnknown as error:
        return _unknown_node(request, cluster, error, node_id=node_id)
    context = _node_context(cluster, node, at=at)
    charts = {
        "presets": PRESETS,
        "marks_url": marks_url(),
        "chart_titles": chart_titles(node),
    }
    return render(request, "nodes/node.html", context | charts)


@require_safe
@portal_permission("view_live")
def node_fragment(request: HttpRequest, node_id: int) -> HttpResponse:
    at = timezone.now()
    if request.GET.get("cursor") == str(cluster_look(at=at).cursor):
        return HttpResponse(status=NOTHING_NEW)
    cluster = cluster_current()
    node = node_get(cluster, node_id=node_id)
    context = _node_context(cluster, node, at=at) | {"is_update": True}
    return render(request, "nodes/_node.html", context)


def _node_context(cluster: Cluster, node: Node, *, at: datetime) -> dict[str, Any]:
    row = node_row(node, at=at)
    workers = latest(node, FigureKind.WORKERS, at=at)
    return {
        "at": at,
        "connection": connection_of(cluster, at=at),
        "cursor": cursor_of(cluster, at=at),
        "node": node,
        "row": row,
        "system": latest(node, FigureKind.SYSTEM, at=at),
        "workers": workers,
        "workers_old": workers.stale or not row.alive,
        "changes": state_changes(node, limit=CHANGES_SHOWN),
        "poll_s": settings.PORTAL_POLL_SYSTEM_S,
        "old_after_s": stale_after_s(FigureKind.SYSTEM),
        "workers_old_after_s": stale_after_s(FigureKind.WORKERS),
    }


def _unknown_node(
    request: HttpRequest, cluster: Cluster, error: NodeUnknown, *, node_id: int
) -> HttpResponse:
    ids = Node.objects.present().filter(cluster=cluster).values_list("node_id", flat=True)
    context = {
        "message": error.message,
        "node_id": node_id,
        "node_ids": list(ids[:NODE_IDS_OFFERED]),
        "nodes_total": len(ids),
        "retired": nodes_retired(cluster)[:NODE_IDS_OFFERED],
    }
    return render(request, "nodes/unknown.html", context, status=error.status)


@require_safe
@portal_permission("view_live")
def trend_fragment(request: HttpRequest, node_id: int) -> HttpResponse:
    """CPU and RAM of the last quarter of an hour, drawn from the stored samples."""
    at = timezone.now()
    node = node_get(cluster_current(), node_id=node_id)
    figures = latest(node, FigureKind.SYSTEM, at=at).figures
    newest = figures["event_id"] if figures else None
    cursor = f"{node.boot}.{newest}"
    if request.GET.get("cursor") == cursor:
        return HttpResponse(status=NOTHING_NEW)
    entries = system_entries(node, min_event_id=newest - TREND_S) if newest is not None else []
    context = {"cursor": cursor, "trend": trend_of(entries)}
    return render(request, "nodes/_trend.html", context)


@require_safe
@portal_permission("view_live")
def connection_fragment(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    connection = connection_of(_cluster(at), at=at)
    if request.GET.get("cursor") == connection.token:
        return HttpResponse(status=NOTHING_NEW)
    return render(request, "partials/connection.html", {"at": at, "connection": connection})
