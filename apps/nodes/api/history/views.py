"""Series, fleet, top lists, heatmap, states, and the catalogue of metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from apps.cluster.api.live import LiveViewSet, live_response
from apps.cluster.api.schema import answers
from apps.common.time import utc_now
from apps.history.metrics import CATALOGUE
from apps.nodes.api.history import serializers as shapes
from apps.nodes.api.history import tables
from apps.nodes.api.history.answers import (
    fleet_answer,
    heatmap_answer,
    series_answer,
    series_table,
    states_answer,
    top_answer,
)
from apps.nodes.api.history.bodies import Fields, metric_fields
from apps.nodes.api.history.questions import (
    DEFAULT_HEATMAP_POINTS,
    Question,
    choice_read,
    limit_read,
    question_read,
)
from apps.nodes.api.history.rendering import rendered

TIME_NOTE = (
    "ISO 8601 (without a zone: UTC), Unix seconds, a time back from now (`-90s`, `-6h`, "
    "`-30d`), or `now`."
)


def _parameter(name: str, text: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": "string", **schema}, description=text)


FROM = _parameter("from", f"Start of the range. {TIME_NOTE}", default="-1h", maxLength=60)
TO = _parameter("to", f"End of the range. {TIME_NOTE}", default="now", maxLength=60)
NODES = _parameter(
    "nodes", "Ids, ranges, parts of names: `0,3-5,gpu`; or `all`, the default.", maxLength=1000
)
SOME_NODES = OpenApiParameter(
    "nodes",
    {"type": "string", "minLength": 1, "maxLength": 1000},
    required=True,
    description="Ids, ranges, parts of names: `0,3-5,gpu`; or `all`.",
)
METRICS = OpenApiParameter(
    "metrics",
    {"type": "string", "minLength": 1, "maxLength": 1000},
    required=True,
    description="Keys of the catalogue, comma-separated: `system.cpu_usage_pct`. At most 20.",
)
METRIC = OpenApiParameter(
    "metric",
    {"type": "string", "enum": [key for key in CATALOGUE if key != "state.state"]},
    required=True,
    description="A key of the catalogue.",
)
PARTS = _parameter("parts", "Only these workers (`0,1`) or block devices (`301.0`).")
POINTS = OpenApiParameter(
    "points",
    {"type": "integer", "minimum": 1, "maximum": 20_000},
    description="At most so many buckets; default 500 (heatmap: 120). Not with `step`.",
)
STEP = _parameter(
    "step", "Length of a bucket: seconds, or `30s`, `5m`, `1h`, `1d`. Not with `points`."
)
CURVES = OpenApiParameter(
    "curves",
    {"type": "integer", "minimum": 1, "maximum": 100_000},
    description="Name metrics with more curves than this under `left_out`, instead of reading "
    "them: to ask `/api/history/fleet` for those. Without it, nothing is left out. JSON only.",
)
FORMAT = _parameter(
    "format", "`csv` for a file, streamed; so does `Accept: text/csv`.", enum=["json", "csv"]
)
COMMON = [FROM, TO, FORMAT]
BUCKETS = [POINTS, STEP]

Lines = Callable[[Fields], Iterator[tables.Line]]


def _answers(good: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = dict(answers(good, node=True))
    found[400] = OpenApiResponse(
        shapes.HistoryErrorSerializer, description="A parameter makes no sense."
    )
    found[200, "text/csv"] = OpenApiResponse(OpenApiTypes.STR, description="The same as a table.")
    return found


class MetricsViewSet(LiveViewSet):
    """Which figures there are."""

    @extend_schema(
        operation_id="history_metrics",
        summary="The catalogue of metrics",
        responses=answers(shapes.MetricsSerializer),
    )
    def retrieve(self, request: Request) -> HttpResponse:
        fields = {"metrics": [metric_fields(metric) for metric in CATALOGUE.values()]}
        return live_response(request, rendered(fields))


class SeriesViewSet(LiveViewSet):
    """Curves of nodes, workers and block devices."""

    @extend_schema(
        operation_id="history_series",
        summary="Metrics of nodes, workers and block devices over time",
        parameters=[SOME_NODES, METRICS, PARTS, *COMMON, *BUCKETS, CURVES],
        responses=_answers(shapes.SeriesSerializer),
    )
    def retrieve(self, request: Request) -> HttpResponseBase:
        question = question_read(request, at=utc_now(), nodes=True)
        if question.csv:
            _, lines = series_table(question)
            return _table("series", question, tables.SERIES_HEAD, lines)
        return live_response(request, rendered(series_answer(question)))


class FleetViewSet(LiveViewSet):
    """One curve over many nodes."""

    @extend_schema(
        operation_id="history_fleet",
        summary="Average, maximum, 95th percentile and sum over nodes",
        parameters=[METRICS, NODES, PARTS, *COMMON, *BUCKETS],
        responses=_answers(shapes.FleetSerializer),
    )
    def retrieve(self, request: Request) -> HttpResponseBase:
        question = question_read(request, at=utc_now())
        body = fleet_answer(question)
        return _answer(request, question, body, "fleet", tables.FLEET_HEAD, tables.fleet_lines)


class TopViewSet(LiveViewSet):
    """Who has the most, or the least."""

    @extend_schema(
        operation_id="history_top",
        summary="The subjects with the highest or lowest figures",
        parameters=[
            METRIC,
            NODES,
            PARTS,
            *COMMON,
            _parameter(
                "by",
                "Which figure over the range decides.",
                enum=["average", "maximum", "minimum"],
                default="average",
            ),
            _parameter("order", "Which end.", enum=["highest", "lowest"], default="highest"),
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10},
                description="At most so many.",
            ),
        ],
        responses=_answers(shapes.TopSerializer),
    )
    def retrieve(self, request: Request) -> HttpResponseBase:
        question = question_read(request, at=utc_now())
        given = request.query_params
        body = top_answer(
            question,
            by=choice_read(given, "by", ("average", "maximum", "minimum")),
            lowest=choice_read(given, "order", ("highest", "lowest")) == "lowest",
            limit=limit_read(given, default=10),
        )
        return _answer(request, question, body, "top", tables.TOP_HEAD, tables.top_lines)


class HeatmapViewSet(LiveViewSet):
    """Nodes × time."""

    @extend_schema(
        operation_id="history_heatmap",
        summary="One metric of all nodes over time, as a matrix",
        parameters=[METRIC, NODES, PARTS, *COMMON, *BUCKETS],
        responses=_answers(shapes.HeatmapSerializer),
    )
    def retrieve(self, request: Request) -> HttpResponseBase:
        question = question_read(request, at=utc_now(), points=DEFAULT_HEATMAP_POINTS)
        body = heatmap_answer(question)
        head = tables.HEATMAP_HEAD
        return _answer(request, question, body, "heatmap", head, tables.heatmap_lines)


class StatesViewSet(LiveViewSet):
    """Alive, hung, down: since when, and for how long."""

    @extend_schema(
        operation_id="history_states",
        summary="The states of nodes over time",
        parameters=[NODES, *COMMON],
        responses=_answers(shapes.StatesSerializer),
    )
    def retrieve(self, request: Request) -> HttpResponseBase:
        question = question_read(request, at=utc_now(), metrics=False)
        body = states_answer(question)
        return _answer(request, question, body, "states", tables.STATES_HEAD, tables.states_lines)


def _answer(
    request: Request,
    question: Question,
    body: Fields,
    what: str,
    head: tuple[str, ...],
    lines: Lines,
) -> HttpResponseBase:
    if question.csv:
        return _table(what, question, head, lines(body))
    return live_response(request, rendered(body))


def _table(
    what: str, question: Question, head: tuple[str, ...], lines: Iterable[tables.Line]
) -> HttpResponseBase:
    name = tables.file_name(what, question.start, question.end)
    return tables.csv_response(head, lines, name=name)
