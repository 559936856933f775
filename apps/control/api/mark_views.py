"""`/api/history/marks`: what was done to nodes, on the time axis of their history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from apps.cluster.api.live import LiveViewSet, iso, live_response
from apps.cluster.api.schema import answers
from apps.common.time import utc_now
from apps.control.marks import Mark, MarkKind, Marks, marks
from apps.nodes.api.errors import BadParameter
from apps.nodes.api.history.questions import Question, question_read
from apps.nodes.api.history.rendering import rendered
from apps.nodes.api.history.serializers import HistoryErrorSerializer
from apps.nodes.api.history.subjects import NodeName
from apps.nodes.api.history.tables import Line, csv_response, file_name, harmless
from apps.nodes.api.history.views import COMMON, NODES

KINDS = tuple(MarkKind)
KINDS_PARAMETER = OpenApiParameter(
    "kinds",
    {"type": "string", "default": ",".join(KINDS)},
    description="Which of `job`, `maintenance` and `state`, comma-separated.",
)
HEAD = (
    *("at", "until", "kind", "node_id", "node", "action", "title", "status", "by", "reason"),
    *("outcome", "job"),
)
WORDS_OF_OTHERS = ("node", "title", "by", "reason", "outcome")


class MarkSerializer(serializers.Serializer[object]):
    """One thing that was done to a node, or happened to it."""

    kind = serializers.ChoiceField(choices=list(KINDS), help_text="Where it comes from.")
    at = serializers.DateTimeField(help_text="When it began.")
    until = serializers.DateTimeField(
        allow_null=True, help_text="When it was over; `null`: it goes on."
    )
    node_id = serializers.IntegerField(
        allow_null=True, help_text="The node's id now; `null`: it left the cluster."
    )
    node = serializers.CharField(help_text="The node's name.")
    action = serializers.CharField(
        help_text="Of a job its action; of maintenance begin, change or end; else the new state."
    )
    title = serializers.CharField(help_text="The same for people: `Restart`, `went down`.")
    status = serializers.CharField(
        help_text="Of a job queued, running, or how it ended; of maintenance active or over; "
        "of a state the new one."
    )
    by = serializers.CharField(allow_blank=True, help_text="Who wanted it; empty: nobody did.")
    reason = serializers.CharField(allow_blank=True, help_text="Why.")
    outcome = serializers.CharField(allow_blank=True, help_text="What came out, in a sentence.")
    job = serializers.IntegerField(allow_null=True, help_text="The control job's number.")
    url = serializers.CharField(allow_blank=True, help_text="The job's page.")


class MarksSerializer(serializers.Serializer[object]):
    """Marks of a range of time, oldest first."""

    marks = MarkSerializer(many=True)
    left_out = serializers.IntegerField(
        help_text="Older marks in the range that are not listed: of each kind the newest 500 are."
    )

    def get_fields(self) -> dict[str, Any]:
        # `from` is no name for an attribute.
        ends = {
            "from": serializers.DateTimeField(help_text="Start of the range."),
            "to": serializers.DateTimeField(help_text="Its end."),
        }
        return {**ends, **super().get_fields()}


class MarksViewSet(LiveViewSet):
    """Control jobs, maintenance and changes of state, for charts."""

    required_permission = "view_jobs"

    @extend_schema(
        operation_id="history_marks",
        summary="What was done to nodes, and when they went down and came back",
        parameters=[NODES, KINDS_PARAMETER, *COMMON],
        responses={
            **answers(MarksSerializer, node=True),
            400: OpenApiResponse(HistoryErrorSerializer, description="A parameter makes no sense."),
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="As a table."),
        },
    )
    def retrieve(self, request: Request) -> HttpResponseBase:
        question = question_read(request, at=utc_now(), metrics=False)
        found = marks(
            cluster_key=question.nodes.cluster_key,
            node_pks=[node.pk for node in question.nodes.listed] if _named(request) else None,
            kinds=_kinds(request),
            start=question.start,
            end=question.end,
            at=question.at,
        )
        body = _body(found, question)
        if question.csv:
            name = file_name("marks", question.start, question.end)
            return csv_response(HEAD, _lines(body), name=name)
        return live_response(request, rendered(body))


def _named(request: Request) -> bool:
    return bool(request.query_params.get("nodes", "").strip())


def _kinds(request: Request) -> list[MarkKind]:
    text: str = request.query_params.get("kinds", "")
    words = [word for word in text.replace(" ", "").split(",") if word]
    if wrong := [word for word in words if word not in KINDS]:
        raise BadParameter("kinds", wrong[0], wanted=" or ".join(KINDS))
    return [MarkKind(word) for word in words] or list(KINDS)


def _body(found: Marks, question: Question) -> dict[str, Any]:
    names = question.nodes.by_pk
    listed = [_fields(mark, names[mark.node_pk]) for mark in found.listed if mark.node_pk in names]
    return {
        "from": iso(question.start),
        "to": iso(question.end),
        "marks": listed,
        "left_out": found.left_out,
    }


def _fields(mark: Mark, node: NodeName) -> dict[str, Any]:
    return {
        "kind": mark.kind.value,
        "at": iso(mark.at),
        "until": iso(mark.until),
        "node_id": node.node_id,
        "node": node.name,
        "action": mark.action,
        "title": mark.title,
        "status": mark.status,
        "by": mark.by,
        "reason": mark.reason,
        "outcome": mark.outcome,
        "job": mark.job,
        "url": mark.url,
    }


def _lines(body: dict[str, Any]) -> Iterator[Line]:
    for mark in body["marks"]:
        yield [harmless(mark[name]) if name in WORDS_OF_OTHERS else mark[name] for name in HEAD]
