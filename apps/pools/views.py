"""The page of pools, and the sections of a node's page that belong to pools."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.decorators import portal_permission
from apps.cluster.selectors import cluster_current
from apps.nodes.freshness import interval_s, stale_after_s
from apps.nodes.models import FigureKind, Node
from apps.nodes.selectors import Latest, node_get
from apps.pools.health import health_read
from apps.pools.selectors import PoolsView, containers, devices, pools_view
from apps.runtime.types import NodeState

NOTHING_NEW = 204
UNTRAINED = (1.0, 0.0, 1.0, 0.0)
"""A method's coefficients as the model starts; a mape of 0 here is no perfect prediction."""


@require_safe
@portal_permission("view_live")
def pools_page(request: HttpRequest) -> HttpResponse:
    return render(request, "pools/pools.html", _pools_context(at=timezone.now()))


@require_safe
@portal_permission("view_live")
def pools_fragment(request: HttpRequest) -> HttpResponse:
    context = _pools_context(at=timezone.now())
    if request.GET.get("cursor") == context["cursor"]:
        return HttpResponse(status=NOTHING_NEW)
    return render(request, "pools/_pools.html", context)


def _pools_context(*, at: datetime) -> dict[str, Any]:
    view = pools_view(cluster_current(), at=at)
    return {
        "at": at,
        "view": view,
        "cursor": _pools_cursor(view),
        "poll_s": interval_s(FigureKind.POOLS) / 4,
        "old_after_s": stale_after_s(FigureKind.POOLS),
    }


def _pools_cursor(view: PoolsView) -> str:
    sampled = view.sampled_at.timestamp() if view.sampled_at else ""
    return f"{view.config.version}.{view.nodes_known}.{view.nodes_total}.{sampled}"


@require_safe
@portal_permission("view_live")
def block_devices_fragment(request: HttpRequest, node_id: int) -> HttpResponse:
    at = timezone.now()
    node = node_get(cluster_current(), node_id=node_id)
    answer = devices(node, at=at)
    cursor = _cursor(node, answer)
    if request.GET.get("cursor") == cursor:
        return HttpResponse(status=NOTHING_NEW)
    listed = [
        {
            "figures": device,
            "health": health_read(device["device_health"]),
            "prediction": health_read(device["failure_prediction"]),
        }
        for device in answer.figures or []
    ]
    context = _section_context(node, answer, FigureKind.BLOCK_DEVICES, at=at)
    return render(
        request, "pools/_block_devices.html", context | {"cursor": cursor, "devices": listed}
    )


@require_safe
@portal_permission("view_live")
def containers_fragment(request: HttpRequest, node_id: int) -> HttpResponse:
    at = timezone.now()
    node = node_get(cluster_current(), node_id=node_id)
    answer = containers(node, at=at)
    cursor = _cursor(node, answer)
    if request.GET.get("cursor") == cursor:
        return HttpResponse(status=NOTHING_NEW)
    listed = [_container_shown(container) for container in answer.figures or []]
    context = _section_context(node, answer, FigureKind.CONTAINERS, at=at)
    return render(
        request, "pools/_containers.html", context | {"cursor": cursor, "containers": listed}
    )


def _container_shown(container: dict[str, Any]) -> dict[str, Any]:
    methods = [
        method | {"trained": _is_trained(method)}
        for method in container["methods"]
        if method["name"]
    ]
    trained = sum(method["trained"] for method in methods)
    return container | {"methods": methods, "trained": trained}


def _is_trained(method: dict[str, Any]) -> bool:
    names = ("coefficient", "mape", "wall_coefficient", "wall_mape")
    return tuple(method[name] for name in names) != UNTRAINED


def _cursor(node: Node, answer: Latest) -> str:
    """Changes with each answer, each error, when the figures go stale, and with the state."""
    sampled = answer.sampled_at.timestamp() if answer.sampled_at else ""
    failed = answer.error_at.timestamp() if answer.error_at else ""
    return f"{sampled}.{failed}.{int(answer.stale)}.{node.state}"


def _section_context(node: Node, answer: Latest, kind: str, *, at: datetime) -> dict[str, Any]:
    up = node.state in (NodeState.ALIVE, NodeState.SUSPECT)
    return {
        "at": at,
        "node": node,
        "answer": answer,
        "is_old": answer.stale or not up,
        "old_after_s": stale_after_s(kind),
    }
