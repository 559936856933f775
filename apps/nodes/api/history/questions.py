"""Query parameters → one checked question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict
from rest_framework.request import Request

from apps.history.metrics import Metric, MetricType, metric_get
from apps.history.selectors import MAX_POINTS
from apps.nodes.api.errors import BadParameter
from apps.nodes.api.history.errors import MetricNotHere, ParameterMissing
from apps.nodes.api.history.subjects import Nodes, nodes_all, nodes_named
from apps.nodes.api.history.times import count_parse, range_parse, step_parse

DEFAULT_POINTS = 500
DEFAULT_HEATMAP_POINTS = 120
MAX_METRICS = 20
MAX_TOP = 1000
MAX_CURVES = 100_000
MAX_TEXT = 4000
FORMATS = ("json", "csv", "api")
METRICS_REMEDY = "Name metrics as /api/history/metrics lists them: system.cpu_usage_pct, say."
NODES_REMEDY = "Name nodes by id, range or part of a name: nodes=0,3-5,gpu. nodes=all: all."

_SEPARATORS = re.compile(r"[,;\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of which nodes over which time."""

    at: datetime
    start: datetime
    end: datetime
    points: int | None
    step_s: int | None
    nodes: Nodes
    metrics: tuple[Metric, ...]
    parts: tuple[str, ...]
    csv: bool
    curves: int | None = None
    """Of metrics with more curves than this, only their number is wanted."""


def question_read(
    request: Request, *, at: datetime, metrics: bool = True, nodes: bool = False, points: int = 0
) -> Question:
    """The parameters that the routes share; what a route does not use is checked all the same.

    `metrics`: it needs some. `nodes`: it needs some, else all is the default. `points` is
    the default number. Raises PortalErrors (400, 404) that say which parameter is wrong.
    """
    given = request.query_params
    csv = wants_csv(request)
    start, end = range_parse(given.get("from"), given.get("to"), at=at)
    step_s = _step(given)
    asked_points = _count(given, "points", most=MAX_POINTS)
    if step_s is not None and asked_points is not None:
        raise BadParameter("step", given["step"], wanted="given without points; one decides")
    if asked_points is None and step_s is None:
        asked_points = points or DEFAULT_POINTS
    return Question(
        at=at,
        start=start,
        end=end,
        points=asked_points,
        step_s=step_s,
        metrics=_metrics(given) if metrics else (),
        nodes=_nodes(given, needed=nodes, at=at),
        parts=_listed(given, "parts"),
        csv=csv,
        curves=_count(given, "curves", most=MAX_CURVES),
    )


def wants_csv(request: Request) -> bool:
    """`format` decides; without it, the Accept header, where it names CSV but not JSON."""
    asked = request.query_params.get("format", "")
    if asked:
        if asked not in FORMATS:
            raise BadParameter("format", asked, wanted="json or csv")
        return asked == "csv"
    accepted = request.META.get("HTTP_ACCEPT", "")
    return "text/csv" in accepted and "json" not in accepted


def choice_read(given: QueryDict, name: str, choices: Sequence[str]) -> str:
    """One of `choices`; the first is the default. Raises BadParameter (400)."""
    text: str = given.get(name, choices[0])
    if text not in choices:
        raise BadParameter(name, text, wanted=" or ".join(choices))
    return text


def limit_read(given: QueryDict, *, default: int) -> int:
    """`limit`, from 1 to MAX_TOP."""
    number = _count(given, "limit", most=MAX_TOP)
    return default if number is None else number


def _count(given: QueryDict, name: str, *, most: int) -> int | None:
    """A whole number from 1 to `most`; ``None``: not given. Raises BadParameter (400)."""
    text = given.get(name)
    if text is None:
        return None
    number = count_parse(text, most=most)
    if number is None:
        raise BadParameter(name, text, wanted=f"a whole number from 1 to {most:,}")
    return number


def _step(given: QueryDict) -> int | None:
    text = given.get("step")
    if text is None:
        return None
    step_s = step_parse(text)
    if step_s is None:
        raise BadParameter("step", text, wanted="a number of seconds, or such as 30s, 5m, 1h, 1d")
    return step_s


def _listed(given: QueryDict, name: str) -> tuple[str, ...]:
    text = ",".join(given.getlist(name))
    if len(text) > MAX_TEXT:
        raise BadParameter(name, text, wanted=f"at most {MAX_TEXT} characters long")
    return tuple(dict.fromkeys(term for term in _SEPARATORS.split(text) if term))


def _metrics(given: QueryDict) -> tuple[Metric, ...]:
    name = "metrics" if "metrics" in given else "metric"
    keys = _listed(given, name)
    if not keys:
        raise ParameterMissing("metrics", METRICS_REMEDY)
    if len(keys) > MAX_METRICS:
        raise BadParameter(name, ",".join(keys), wanted=f"at most {MAX_METRICS} metrics")
    found = tuple(metric_get(key) for key in keys)
    for metric in found:
        if metric.type is MetricType.STATE:
            raise MetricNotHere(
                metric.key,
                f"{metric.key} is a word, not a number: it has no curve.",
                "Ask /api/history/states for it.",
            )
    return found


def metric_one(question: Question) -> Metric:
    """The one metric of a route that draws one. Raises MetricNotHere (400) for several."""
    first, *more = question.metrics
    if more:
        raise MetricNotHere(
            more[0].key, "This route answers for one metric at a time.", "Ask once for each."
        )
    return first


def _nodes(given: QueryDict, *, needed: bool, at: datetime) -> Nodes:
    text = ",".join(given.getlist("nodes")).strip()
    if text:
        return nodes_named(text, at=at)
    if needed:
        raise ParameterMissing("nodes", NODES_REMEDY)
    return nodes_all(at=at)
