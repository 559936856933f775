"""Which series an answer has, and their matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from django.db.models import QuerySet

from apps.history.errors import RangeWrong
from apps.history.metrics import SUBJECT_KIND_OF, Metric
from apps.history.models import Series
from apps.history.reading.curves import Matrix, matrix_make
from apps.history.reading.ranges import SPAN_S, Buckets
from apps.history.reading.source import Source
from apps.history.types import Curve, Resolution, SubjectRef

BLIND_AFTER_S = 150
"""Without a mark of the collector for longer, a state counts as not known."""

MAX_POINTS = 20_000
"""Most buckets of one answer."""

MAX_CELLS = 4_000_000
"""Most buckets × subjects × metrics of one answer."""

MAX_ROWS = 400_000
"""Stored rows that a default step may make an answer read."""

MAX_SAMPLES = 100_000
"""Samples that it may: to take them out of their blocks costs more than a row does."""

SPARSE_S = 5
"""What is not sampled every second is no more often than this."""


class Named(NamedTuple):
    """Of a series, what an answer says. To make a thousand whole ones is a tenth of all work."""

    id: int
    subject_kind: str
    subject_key: str
    label: str


MARGIN_MS = {
    Resolution.RAW: 300_000,
    Resolution.MINUTE: 300_000,
    Resolution.HOUR: 3_600_000,
    Resolution.DAY: 86_400_000,
}
"""So much before the range is read, too: what holds at its start, and a counter's reading."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A matrix and whose its lines are."""

    series: Sequence[Named]
    place_of: Mapping[SubjectRef, int]
    matrix: Matrix


SeriesOf = Mapping[str, Sequence[Named]]
"""By kind."""


def series_of_metrics(
    cluster_key: int, metrics: Sequence[Metric], subjects: Sequence[SubjectRef] | None
) -> SeriesOf:
    """The series of each kind that `metrics` have."""
    kinds = dict.fromkeys(metric.kind for metric in metrics)
    return {kind: series_find(cluster_key, kind, subjects) for kind in kinds}


def matrices_read(
    metrics: Sequence[Metric], series_of: SeriesOf, buckets: Buckets
) -> dict[str, Lines]:
    """By metric key."""
    found: dict[str, Lines] = {}
    for kind, series in series_of.items():
        some = [metric for metric in metrics if metric.kind == kind]
        cells_check(buckets, len(series) * len(metrics))
        found |= lines_read(series, some, buckets)
    return found


def lines_read(
    series: Sequence[Named], metrics: Sequence[Metric], buckets: Buckets
) -> dict[str, Lines]:
    """Metrics of one kind."""
    place_of = {
        SubjectRef(one.subject_kind, one.subject_key): line for line, one in enumerate(series)
    }
    source = Source(
        metrics[0].kind,
        [one.id for one in series],
        buckets.resolution,
        buckets.start_ms - _margin_ms(metrics, buckets.resolution),
        buckets.end_ms,
        metrics,
    )
    return {
        metric.key: Lines(series, place_of, matrix_make(source, metric, len(series), buckets))
        for metric in metrics
    }


def _margin_ms(metrics: Sequence[Metric], resolution: Resolution) -> int:
    """What is sampled every second needs no look back from a whole minute."""
    dense = all(metric.kind == "system" for metric in metrics)
    return 0 if dense and resolution is not Resolution.RAW else MARGIN_MS[resolution]


def series_find(cluster_key: int, kind: str, subjects: Sequence[SubjectRef] | None) -> list[Named]:
    """In the order of the subjects asked for, or by key: numbers by their size."""
    found = Series.objects.filter(cluster_key=cluster_key, kind=kind)
    if subjects is None:
        return sorted(_named(found.filter(subject_kind=SUBJECT_KIND_OF[kind])), key=_natural)
    keys = [one.key for one in subjects]
    known = {
        SubjectRef(one.subject_kind, one.subject_key): one
        for one in _named(found.filter(subject_key__in=keys))
    }
    return [known[one] for one in dict.fromkeys(subjects) if one in known]


def _named(found: QuerySet[Series]) -> list[Named]:
    return [Named(*row) for row in found.values_list(*Named._fields)]


def _natural(series: Named) -> tuple[tuple[int, str], ...]:
    parts = series.subject_key.split("/")
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def curve_of(
    subject: SubjectRef, metric: Metric, lines: Lines, line: int | None, count: int
) -> Curve:
    if line is None:
        nothing = np.full(count, np.nan)
        none = np.zeros(count, np.int64)
        return Curve(subject, "", metric, nothing, nothing, nothing, none, None)
    matrix = lines.matrix
    cadence = float(matrix.cadence_s[line])
    return Curve(
        subject=subject,
        label=lines.series[line].label,
        metric=metric,
        minimum=matrix.minimum[line],
        average=matrix.average[line],
        maximum=matrix.maximum[line],
        counts=matrix.counts[line],
        cadence_s=None if np.isnan(cadence) else cadence,
    )


def cells_check(buckets: Buckets, curves: int) -> None:
    if buckets.count * curves > MAX_CELLS:
        raise RangeWrong(
            f"{curves:,} curves of {buckets.count:,} points are too many at once "
            f"(at most {MAX_CELLS:,} points). Ask for fewer subjects, metrics or points."
        )


def affordable_span(series_of: SeriesOf, length_s: float) -> int:
    """The finest of samples, minutes, hours and days of which not too many have to be read."""
    samples = sum(
        len(series) * length_s / (1 if kind == "system" else SPARSE_S)
        for kind, series in series_of.items()
    )
    if samples <= MAX_SAMPLES:
        return SPAN_S[Resolution.RAW]
    count = sum(len(series) for series in series_of.values())
    for one in (Resolution.MINUTE, Resolution.HOUR):
        if count * length_s / SPAN_S[one] <= MAX_ROWS:
            return SPAN_S[one]
    return SPAN_S[Resolution.DAY]
