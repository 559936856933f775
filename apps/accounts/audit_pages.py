"""The audit trail as pages: a list to filter, one event, and files of what the filter leaves.

Here and not in the audit app, because a page asks for a permission, and audit lies below accounts.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.decorators import portal_permission
from apps.accounts.zones import TimeFields, time_fields
from apps.audit.export import audit_csv, audit_json
from apps.audit.models import AuditEvent, Outcome
from apps.audit.selectors import AuditFilter, audit_event_get, audit_events
from apps.common.errors import PortalError

EVENTS_PER_PAGE = 50
TEXT_LENGTH = 150
TEXT_FIELDS = ("actor", "action", "target", "outcome", "address", "job", "text")
TIME_FIELDS = {"since": "From", "until": "Until"}


class EventUnknown(PortalError):
    def __init__(self, number: int) -> None:
        super().__init__(
            f"There is no event {number} in the audit trail.",
            code="event_unknown",
            status=404,
            remedy="It may have left by retention, which is itself an event of the trail.",
        )


class BadFilter(PortalError):
    """An export must not silently hold more than was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"“{name}” is not a time.",
            code="bad_filter",
            status=400,
            remedy="Write it as 2026-11-22 or 2026-11-22T12:00.",
        )


@require_safe
@portal_permission("view_audit")
def audit_page(request: HttpRequest) -> HttpResponse:
    given, times = _given(request), _times(request)
    asked = {name: value for name, value in given.items() if value} | times.query()
    events: QuerySet[AuditEvent] = AuditEvent.objects.none()
    problem: BadFilter | None = None
    try:
        events = _events(given, times)
    except BadFilter as error:
        problem = error
    context = {
        "at": timezone.now(),
        "section": "audit",
        "given": given,
        "problem": problem,
        "page": Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page")),
        "times": times,
        "is_filtered": bool(asked),
        "filter_query": urlencode(asked),
        "outcomes": Outcome.choices,
    }
    return render(request, "accounts/audit.html", context, status=400 if problem else 200)


@require_safe
@portal_permission("view_audit")
def audit_event_page(request: HttpRequest, number: int) -> HttpResponse:
    event = audit_event_get(number)
    if event is None:
        raise EventUnknown(number)
    neighbours = AuditEvent.objects.filter(number__in=(number - 1, number + 1))
    known = set(neighbours.values_list("number", flat=True))
    context: dict[str, Any] = {
        "at": timezone.now(),
        "section": "audit",
        "event": event,
        "before": _pairs(event.before),
        "after": _pairs(event.after),
        "earlier": number - 1 if number - 1 in known else None,
        "later": number + 1 if number + 1 in known else None,
    }
    return render(request, "accounts/audit_event.html", context)


def _pairs(values: object) -> list[tuple[str, object]]:
    return list(values.items()) if isinstance(values, dict) else []


@require_safe
@portal_permission("view_audit")
def audit_export_csv(request: HttpRequest) -> StreamingHttpResponse:
    lines = audit_csv(_asked(request))
    return _file(StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8"), "csv")


@require_safe
@portal_permission("view_audit")
def audit_export_json(request: HttpRequest) -> StreamingHttpResponse:
    lines = audit_json(_asked(request))
    return _file(StreamingHttpResponse(lines, content_type="application/json"), "json")


def _file(response: StreamingHttpResponse, ending: str) -> StreamingHttpResponse:
    day = f"{timezone.now().astimezone(UTC):%Y-%m-%d}"
    response.headers["Content-Disposition"] = f'attachment; filename="audit-{day}.{ending}"'
    return response


def _given(request: HttpRequest) -> dict[str, str]:
    return {
        name: request.GET.get(name, "").replace("\x00", "").strip()[:TEXT_LENGTH]
        for name in TEXT_FIELDS
    }


def _events(given: dict[str, str], times: TimeFields) -> QuerySet[AuditEvent]:
    """Raises BadFilter."""
    if times.wrong:
        raise BadFilter(times.wrong[0])
    texts = {name: given[name] for name in TEXT_FIELDS if name != "job"}
    return audit_events(
        AuditFilter(**texts, job_id=given["job"], since=times.at("since"), until=times.at("until"))
    )


def _times(request: HttpRequest) -> TimeFields:
    return time_fields(request, TIME_FIELDS, ends=("until",))


def _asked(request: HttpRequest) -> QuerySet[AuditEvent]:
    return _events(_given(request), _times(request))
