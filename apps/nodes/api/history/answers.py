"""Ask the history, within the limits of one answer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from apps.history.metrics import SUBJECT_KIND_OF, Metric
from apps.history.selectors import (
    fleet_aggregate,
    heatmap,
    series_read,
    state_timeline,
    top_subjects,
)
from apps.history.types import SubjectRef
from apps.nodes.api.history.bodies import (
    Fields,
    fleet_body,
    heatmap_body,
    series_body,
    states_body,
    top_body,
)
from apps.nodes.api.history.errors import TooMuch
from apps.nodes.api.history.questions import Question, metric_one
from apps.nodes.api.history.subjects import subjects_of
from apps.nodes.api.history.tables import Line, series_lines
from apps.nodes.subjects import node_subject

MAX_VALUES = 400_000
"""Buckets × curves of one JSON answer: some 10 MB. CSV is streamed, and holds more."""
MAX_CSV_VALUES = 50_000_000
CSV_VALUES_AT_ONCE = 200_000
LESS = "Ask for fewer nodes, metrics or points, or a shorter range."
INSTEAD = (
    "Ask for fewer nodes, metrics or points. Of many nodes, /api/history/fleet has the average, "
    "the 95th percentile and the extremes as one curve, /api/history/heatmap each node coarsely, "
    "/api/history/top those with the most. CSV (format=csv) is streamed, and holds more."
)


def buckets_asked(question: Question) -> int:
    """At most so many buckets will come."""
    if question.step_s is None:
        return question.points or 1
    return math.ceil((question.end - question.start).total_seconds() / question.step_s) + 1


def _volume_check(question: Question, curves: int, *, most: int, remedy: str) -> None:
    buckets = buckets_asked(question)
    if curves * buckets > most:
        raise TooMuch(f"{curves:,} curves × {buckets:,} points", curves * buckets, most, remedy)


def series_answer(question: Question) -> Fields:
    """Metrics with more curves than `question.curves` are named, not read.

    Raises TooMuch, RangeWrong (400)."""
    subjects = _subjects(question)
    curves = _curves(question, subjects)
    most = question.curves or max(curves.values())
    kept = tuple(metric for metric in question.metrics if curves[metric] <= most)
    volume = sum(curves[metric] for metric in kept)
    _volume_check(question, volume, most=MAX_VALUES, remedy=INSTEAD)
    body = _series(replace(question, metrics=kept), subjects, step_s=question.step_s)
    left_out = [
        {
            "metric": metric.key,
            "subject_kind": SUBJECT_KIND_OF[metric.kind],
            "curves": curves[metric],
        }
        for metric in question.metrics
        if metric not in kept
    ]
    return body | {"left_out": left_out}


def _curves(question: Question, subjects: list[SubjectRef]) -> dict[Metric, int]:
    """How many curves each metric has: one for each subject that can have it."""
    of_kind = Counter(subject.kind for subject in subjects)
    return {metric: of_kind[SUBJECT_KIND_OF[metric.kind]] for metric in question.metrics}


def series_table(question: Question) -> tuple[Fields, Iterator[Line]]:
    """The first part of the answer, and all its lines; what is wrong is raised at once."""
    subjects = _subjects(question)
    volume = sum(_curves(question, subjects).values())
    _volume_check(question, volume, most=MAX_CSV_VALUES, remedy=LESS)
    each = buckets_asked(question) * len(question.metrics)
    size = max(1, CSV_VALUES_AT_ONCE // each)
    first = _series(question, subjects[:size], step_s=question.step_s)
    return first, _series_lines(question, subjects[size:], size, first)


def _series_lines(
    question: Question, rest: list[SubjectRef], size: int, first: Fields
) -> Iterator[Line]:
    yield from series_lines(first)
    for start in range(0, len(rest), size):
        # The step of the first part: the same buckets throughout the file.
        yield from series_lines(
            _series(question, rest[start : start + size], step_s=first["step_s"])
        )


def _subjects(question: Question) -> list[SubjectRef]:
    return subjects_of(question.nodes, question.metrics, parts=question.parts)


def _series(question: Question, subjects: list[SubjectRef], *, step_s: int | None) -> Fields:
    result = series_read(
        cluster_key=question.nodes.cluster_key,
        subjects=subjects,
        metrics=[metric.key for metric in question.metrics],
        start=question.start,
        end=question.end,
        at=question.at,
        points=question.points if step_s is None else None,
        step_s=step_s,
    )
    return series_body(result, question.nodes)


def fleet_answer(question: Question) -> Fields:
    """Raises TooMuch, RangeWrong (400)."""
    _volume_check(question, len(question.metrics), most=MAX_VALUES, remedy=LESS)
    result = fleet_aggregate(
        cluster_key=question.nodes.cluster_key,
        subjects=_subjects(question),
        metrics=[metric.key for metric in question.metrics],
        start=question.start,
        end=question.end,
        at=question.at,
        points=question.points,
        step_s=question.step_s,
    )
    return fleet_body(result)


def top_answer(question: Question, *, by: str, lowest: bool, limit: int) -> Fields:
    """Raises MetricNotHere, RangeWrong (400)."""
    metric = metric_one(question)
    found = top_subjects(
        cluster_key=question.nodes.cluster_key,
        metric=metric.key,
        start=question.start,
        end=question.end,
        at=question.at,
        subjects=_subjects(question),
        limit=limit,
        by=by,
        lowest=lowest,
    )
    return top_body(found, metric, question.nodes, start=question.start, end=question.end)


def heatmap_answer(question: Question) -> Fields:
    """Raises MetricNotHere, TooMuch, RangeWrong (400)."""
    metric = metric_one(question)
    subjects = _subjects(question)
    _volume_check(question, len(subjects), most=MAX_VALUES, remedy=LESS)
    result = heatmap(
        cluster_key=question.nodes.cluster_key,
        metric=metric.key,
        start=question.start,
        end=question.end,
        at=question.at,
        subjects=subjects,
        points=question.points,
        step_s=question.step_s,
    )
    return heatmap_body(result, question.nodes)


def states_answer(question: Question) -> Fields:
    timelines = state_timeline(
        cluster_key=question.nodes.cluster_key,
        subjects=[node_subject(node.pk) for node in question.nodes.listed],
        start=question.start,
        end=question.end,
        at=question.at,
    )
    return states_body(timelines, question.nodes, start=question.start, end=question.end)
