"""The page of the cluster's configuration."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.decorators import portal_permission
from apps.cluster.models import Cluster, ConfigVersion
from apps.cluster.selectors import ConfigView, cluster_current, config_view

NOTHING_NEW = 204


@require_safe
@portal_permission("view_config")
def config_page(request: HttpRequest) -> HttpResponse:
    """The configuration in force, or an older version with ``?version=``."""
    context = _config_context(request, at=timezone.now())
    return render(request, "cluster/config.html", context)


@require_safe
@portal_permission("view_config")
def config_fragment(request: HttpRequest) -> HttpResponse:
    context = _config_context(request, at=timezone.now())
    if request.GET.get("cursor") == context["cursor"]:
        return HttpResponse(status=NOTHING_NEW)
    return render(request, "cluster/_config.html", context)


def _config_context(request: HttpRequest, *, at: datetime) -> dict[str, Any]:
    cluster = cluster_current()
    view = config_view(cluster)
    older = _older_version(cluster, view, request.GET.get("version"))
    return {
        "at": at,
        "view": view,
        "older": older,
        "shown": older.config if older else view.config,
        "shown_number": older.number if older else view.version,
        "cursor": _config_cursor(view),
        "poll_s": settings.PORTAL_POLL_CONFIG_S,
    }


def _older_version(cluster: Cluster, view: ConfigView, asked: str | None) -> ConfigVersion | None:
    if asked is None or asked == str(view.version):
        return None
    if not asked.isdecimal() or len(asked) > 9:
        raise Http404
    version = ConfigVersion.objects.filter(cluster=cluster, number=int(asked)).first()
    if version is None:
        raise Http404
    return version


def _config_cursor(view: ConfigView) -> str:
    """Changes when the page would read differently, but for its ticking ages."""
    newest = view.versions[0].number if view.versions else None
    seen = json.dumps([view.version, newest, view.path, view.searched, view.error])
    return hashlib.sha256(seen.encode()).hexdigest()[:16]
