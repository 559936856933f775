"""Is the portal up (/healthz), and can it do its work (/readyz)? Public; they name no host."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from kombu import Connection
from kombu.exceptions import OperationalError

from apps.accounts.decorators import portal_public
from apps.cluster.models import Cluster
from apps.common.time import age_s, utc_now
from clio_portal.signs import BEAT, LASTS_S, SignsUnreadable, signs_read, worker_role

log = structlog.get_logger(__name__)

BROKER_TIMEOUT_S = 2
WORKERS = ("control", "history")
"""Queues whose Celery workers nothing else tells of; each is a part of the answer."""


class HealthMiddleware:
    """Answers both addresses before the host name is checked, and without a redirect to https.

    Load balancers and health checks ask by address, from inside.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = {"/healthz": healthz, "/readyz": readyz}.get(request.path_info)
        return view(request) if view is not None else self.get_response(request)


@portal_public
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@portal_public
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part works, else 503: ``{"status", "parts": {name: {"ok", "detail", …}}}``."""
    parts = readiness(at=utc_now())
    ready = all(part["ok"] for part in parts.values())
    return JsonResponse(
        {"status": "ready" if ready else "not ready", "parts": parts}, status=200 if ready else 503
    )


def readiness(*, at: datetime) -> dict[str, dict[str, Any]]:
    """Part → ok, a sentence, and figures. Later parts need the earlier ones."""
    parts: dict[str, dict[str, Any]] = {"broker": _guard(_broker), "database": _guard(_database)}
    parts |= _signs(at=at)
    if parts["database"]["ok"]:
        parts["migrations"] = _guard(_migrations)
        if parts["migrations"]["ok"]:
            parts["collector"] = _guard(lambda: _collector(at=at))
    return parts


def _guard(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return part()
    except (DatabaseError, OperationalError, OSError) as error:
        # The error may hold addresses and names of users: those go to the log only.
        log.warning("not ready", part=part.__name__, error=str(error))
        return {"ok": False, "detail": "does not answer"}


def _database() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {"ok": True, "detail": "answers"}


def migrations_missing() -> int:
    """How many migrations of this version the database still lacks."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


class _Applied:
    """What was applied once stays so; looking costs more than all other parts together."""

    yes = False


def _migrations() -> dict[str, Any]:
    missing = 0 if _Applied.yes else migrations_missing()
    _Applied.yes = not missing
    detail = "all applied" if not missing else f"{missing} not applied: run manage.py migrate"
    return {"ok": not missing, "detail": detail}


def _broker() -> dict[str, Any]:
    if not settings.PORTAL_REDIS_URL:
        return {"ok": True, "detail": "in memory"}
    with Connection(settings.PORTAL_REDIS_URL, connect_timeout=BROKER_TIMEOUT_S) as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_S)
    return {"ok": True, "detail": "answers"}


def _signs(*, at: datetime) -> dict[str, dict[str, Any]]:
    """Beat, and the Celery workers of control and history. The collector's work is its own sign."""
    names = {"beat": BEAT} | {queue: worker_role(queue) for queue in WORKERS}
    try:
        seen = signs_read(names.values())
    except SignsUnreadable as error:
        log.warning("not ready", part="signs", error=str(error))
        unknown = {"ok": False, "detail": "not known: the cache does not answer", "age_s": None}
        return {part: dict(unknown) for part in names}
    return {part: _sign(part, seen[role], at=at) for part, role in names.items()}


def _sign(part: str, seen: float | None, *, at: datetime) -> dict[str, Any]:
    if seen is None:
        process = "Celery beat" if part == "beat" else f"a Celery worker for the queue {part}"
        detail = f"no sign of life within {LASTS_S} s: start {process}"
        return {"ok": False, "detail": detail, "age_s": None}
    # The sign is of another machine's clock, perhaps; that it is still there is what counts.
    return {"ok": True, "detail": "alive", "age_s": round(max(0.0, at.timestamp() - seen), 1)}


def _collector(*, at: datetime) -> dict[str, Any]:
    polled_at = Cluster.objects.order_by("pk").values_list("polled_at", flat=True).first()
    age = age_s(polled_at, at=at)
    if age is None:
        return {"ok": False, "detail": "has not finished a round yet", "age_s": None}
    fresh = age <= settings.PORTAL_STALE_AFTER_S
    detail = "polls" if fresh else "has stopped polling: look at the Celery worker and beat"
    return {"ok": fresh, "detail": detail, "age_s": round(age, 1)}
