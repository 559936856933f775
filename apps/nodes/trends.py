"""The pages of the history: trends, and what is kept for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.decorators import portal_permission
from apps.history.metrics import CATALOGUE, Metric, MetricType
from apps.history.selectors import retention_plan
from apps.history.types import ResolutionPlan
from apps.nodes.models import FigureKind, LatestFigures, Node

KIND_NAMES = {
    "system": "System",
    "workers": "Workers of a node",
    "worker": "Each worker",
    "block_device": "Block devices",
    "containers": "Containers and pools",
}
RESOLUTION_NAMES = {
    "raw": "Samples, as they came",
    "minute": "Minutes",
    "hour": "Hours",
    "day": "Days",
}
DAYS_SETTINGS = {"raw": "RAW_DAYS", "minute": "MINUTES_DAYS", "hour": "HOURS_DAYS"}
PRESETS = (
    ("-5m", "5 min"),
    ("-15m", "15 min"),
    ("-1h", "1 h"),
    ("-6h", "6 h"),
    ("-24h", "24 h"),
    ("-7d", "7 d"),
    ("-30d", "30 d"),
    ("-90d", "90 d"),
    ("-365d", "1 y"),
    ("-730d", "2 y"),
)
VIEWS = ("compare", "heatmap", "top")
TOP_LIMITS = (5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class MetricGroup:
    """Metrics that are offered together."""

    name: str
    metrics: Sequence[Metric]


def metric_groups() -> list[MetricGroup]:
    """What can be drawn, by kind; counters only as their rates, which say more."""
    found: dict[str, list[Metric]] = {kind: [] for kind in KIND_NAMES}
    for metric in CATALOGUE.values():
        if metric.type in (MetricType.GAUGE, MetricType.RATE) and metric.kind in found:
            found[metric.kind].append(metric)
    return [MetricGroup(KIND_NAMES[kind], metrics) for kind, metrics in found.items()]


def chart_titles(node: Node) -> list[str]:
    """The charts that this node's page will have, so that their room is there before them."""
    titles = ["CPU", "RAM"]
    figures = dict(
        LatestFigures.objects.filter(
            node=node, kind__in=(FigureKind.SYSTEM, FigureKind.BLOCK_DEVICES)
        ).values_list("kind", "figures")
    )
    system = figures.get(FigureKind.SYSTEM) or {}
    if system.get("gpu_count"):
        titles += ["GPU", "GPU memory (HBM)"]
    titles += ["Queued and blocked tasks", "Tasks processed by the workers"]
    if figures.get(FigureKind.BLOCK_DEVICES):
        titles += ["Block devices, read", "Block devices, written"]
    return titles


def marks_url() -> str:
    """Where the marks of control jobs come from; empty where nothing serves them."""
    try:
        return reverse("api-history-marks")
    except NoReverseMatch:
        return ""


@require_safe
@portal_permission("view_live")
def trends_page(request: HttpRequest) -> HttpResponse:
    """The frame; the browser asks `/api/history/…` for the figures."""
    view = request.GET.get("view", "")
    context = {
        "at": timezone.now(),
        # What the browser would make of the address: so nothing moves when it has read it.
        "view": view if view in VIEWS else VIEWS[0],
        "nodes": request.GET.get("nodes", "").strip(),
        "groups": metric_groups(),
        "presets": PRESETS,
        "limits": TOP_LIMITS,
        "marks_url": marks_url(),
    }
    return render(request, "nodes/trends.html", context)


@require_safe
@portal_permission("view_live")
def storage_page(request: HttpRequest) -> HttpResponse:
    """What the history takes, how it grows, and what goes when."""
    at = timezone.now()
    plan = retention_plan(at=at)
    lines = [_storage_line(one, total=plan.total_bytes) for one in plan.resolutions]
    context = {"at": at, "plan": plan, "lines": lines, "section": "trends"}
    return render(request, "nodes/storage.html", context)


def _storage_line(one: ResolutionPlan, *, total: int) -> dict[str, Any]:
    return {
        "plan": one,
        "name": RESOLUTION_NAMES[one.resolution],
        "setting": DAYS_SETTINGS.get(one.resolution),
        "share_pct": 100 * one.bytes / total if total else None,
    }
