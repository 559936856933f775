"""The audit trail for scripts: list, one event, and files of what a filter leaves.

Here and not in the audit app, because a route asks for a permission, and audit lies below accounts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.audit.export import audit_csv, audit_json, event_as_json
from apps.audit.models import AuditEvent, Outcome
from apps.audit.selectors import AuditFilter, audit_event_get, audit_events
from apps.cluster.api.live import LiveViewSet, iso
from apps.cluster.api.schema import answers
from apps.common.time import utc_now
from apps.control.api import serializers as shapes
from apps.control.api.body import WHOLE, time_of
from apps.control.api.paging import PAGING, page_read
from apps.control.api.schema import EVENT, error, found_answers, parameter
from apps.control.errors import EventUnknown
from apps.nodes.api.errors import BadParameter

LONGEST_TEXT = 150
TEXTS = ("actor", "action", "target", "address", "job", "text")

FILTERS = [
    parameter("actor", {"type": "string"}, "A part of the name of who did it."),
    parameter("action", {"type": "string"}, "An action, or its first word: `job` is all of jobs."),
    parameter("target", {"type": "string"}, "A part of the target's name, or its whole key."),
    parameter(
        "outcome", {"type": "string", "enum": list(Outcome.values)}, "Only with this outcome."
    ),
    parameter("address", {"type": "string"}, "Only from this address."),
    parameter("job", {"type": "string"}, "Only events of this job."),
    parameter("text", {"type": "string"}, "Words of the reason."),
    parameter("since", {"type": "string", "format": "date-time"}, "Then or later."),
    parameter("until", {"type": "string", "format": "date-time"}, "Before then."),
]


class AuditViewSet(LiveViewSet):
    """Events of the audit trail. They are only ever read."""

    required_permission = "view_audit"

    @extend_schema(
        operation_id="audit",
        summary="Events of the audit trail, newest first",
        parameters=[*FILTERS, *PAGING],
        responses=answers(shapes.AuditListSerializer, bad=True),
    )
    def list(self, request: Request) -> Response:
        wanted = audit_events(_filter(request))
        page, following = page_read(request, wanted, number="number")
        return Response(
            {
                "events": [event_fields(event) for event in page],
                "count": wanted.count(),
                "next": following,
            }
        )

    @extend_schema(
        operation_id="audit_event",
        summary="One event of the audit trail",
        parameters=[EVENT],
        responses=found_answers(shapes.AuditEventSerializer),
    )
    def retrieve(self, request: Request, number: str) -> Response:
        event = audit_event_get(int(number)) if WHOLE.fullmatch(number) else None
        if event is None:
            raise EventUnknown(number)
        return Response(event_fields(event))

    @extend_schema(
        operation_id="audit_export_csv",
        summary="The same events as a CSV file, all pages",
        parameters=FILTERS,
        responses={
            (200, "text/csv"): OpenApiResponse(str, description="A line an event."),
            400: error("A parameter makes no sense."),
            401: error("No valid credentials."),
            403: error("The role does not allow it."),
        },
    )
    def export_csv(self, request: Request) -> StreamingHttpResponse:
        lines = audit_csv(audit_events(_filter(request)))
        return _file(lines, kind="text/csv; charset=utf-8", ending="csv")

    @extend_schema(
        operation_id="audit_export_json",
        summary="The same events as a JSON file, all pages",
        parameters=FILTERS,
        responses=answers(shapes.AuditEventSerializer(many=True), bad=True),
    )
    def export_json(self, request: Request) -> StreamingHttpResponse:
        lines = audit_json(audit_events(_filter(request)))
        return _file(lines, kind="application/json", ending="json")


def event_fields(event: AuditEvent) -> dict[str, Any]:
    return {**event_as_json(event), "at": iso(event.at)}


def _file(lines: Iterator[str], *, kind: str, ending: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(lines, content_type=kind)
    name = f"audit-{utc_now():%Y-%m-%d}.{ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _filter(request: Request) -> AuditFilter:
    """Raises BadParameter: an export must not silently hold more than was asked for."""
    texts = {name: _text(request, name) for name in TEXTS}
    outcome = _text(request, "outcome")
    if outcome and outcome not in Outcome.values:
        raise BadParameter("outcome", outcome, wanted=f"one of {', '.join(Outcome.values)}")
    return AuditFilter(
        actor=texts["actor"],
        action=texts["action"],
        target=texts["target"],
        outcome=outcome,
        address=texts["address"],
        job_id=texts["job"],
        text=texts["text"],
        since=_moment(request, "since"),
        until=_moment(request, "until"),
    )


def _text(request: Request, name: str) -> str:
    text: str = request.query_params.get(name, "")
    return text[:LONGEST_TEXT].replace("\x00", "").strip()


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name, "")
    return time_of(text, name) if text else None
