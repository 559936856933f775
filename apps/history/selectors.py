"""Reading history. Ranges are half-open: from `start` up to but not including `end`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from apps.history.errors import RangeWrong
from apps.history.limits import retention_limits
from apps.history.metrics import CATALOGUE, KINDS, SUBJECT_KIND_OF, Metric, metric_get
from apps.history.models import Series
from apps.history.reading import entries, plan, timelines
from apps.history.reading.fleets import fleet_curve
from apps.history.reading.lines import (
    BLIND_AFTER_S,
    MAX_CELLS,
    MAX_POINTS,
    SeriesOf,
    affordable_span,
    cells_check,
    curve_of,
    lines_read,
    matrices_read,
    series_find,
    series_of_metrics,
)
from apps.history.reading.ranges import Buckets, buckets_choose
from apps.history.states import milliseconds
from apps.history.types import (
    FleetResult,
    Heatmap,
    RawEntry,
    RetentionLimits,
    RetentionPlan,
    SeriesResult,
    SubjectRef,
    Timeline,
    TopSubject,
)

MINUTE_S = 60

__all__ = [
    "BLIND_AFTER_S",
    "CATALOGUE",
    "KINDS",
    "MAX_CELLS",
    "MAX_POINTS",
    "Metric",
    "fleet_aggregate",
    "heatmap",
    "metric_get",
    "raw_entries",
    "retention_plan",
    "series_list",
    "series_read",
    "state_timeline",
    "top_subjects",
]


def series_list(
    *,
    cluster_key: int,
    kind: str,
    subject_keys: Sequence[str] | None = None,
    key_prefix: str = "",
) -> list[Series]:
    """Series of a kind, by subject key: all of a cluster, those named, or those whose key
    begins so (``"7/"``: all parts of node 7)."""
    found = Series.objects.filter(cluster_key=cluster_key, kind=kind)
    if subject_keys is not None:
        found = found.filter(subject_key__in=subject_keys)
    if key_prefix:
        found = found.filter(subject_key__startswith=key_prefix)
    return list(found.order_by("subject_key"))


def series_read(
    *,
    cluster_key: int,
    subjects: Sequence[SubjectRef],
    metrics: Sequence[str],
    start: datetime,
    end: datetime,
    at: datetime,
    points: int | None = None,
    step_s: int | None = None,
) -> SeriesResult:
    """Curves of subjects × metrics, each bucket with minimum, average and maximum.

    `metrics` are keys (``system.cpu_usage_pct``; rates such as ``block_device.reads_per_s``).
    A subject has the curves of the metrics whose kind its series has, in the order asked.
    `step_s` sets the bucket exactly; else the smallest round step is taken that gives at most
    `points` (default 500) buckets. Steps under a minute are read from raw samples, under an
    hour from minutes, under a day from hours, else from days; where retention has removed the
    fine ones, or there would be more than MAX_SAMPLES or MAX_ROWS of them to read for an answer
    whose step nobody asked for, the next coarser serves and the step grows (`step_s` and
    `resolution` say so).
    Raises MetricUnknown, RangeWrong (400).
    """
    asked = [metric_get(key) for key in metrics]
    series_of = series_of_metrics(cluster_key, asked, subjects)
    buckets = _buckets(series_of, start, end, points=points, step_s=step_s)
    cells_check(buckets, len(subjects) * len(asked))
    found = matrices_read(asked, series_of, buckets)
    curves = []
    for subject in subjects:
        for metric in asked:
            if SUBJECT_KIND_OF[metric.kind] != subject.kind:
                continue
            lines = found[metric.key]
            line = lines.place_of.get(subject)
            curves.append(curve_of(subject, metric, lines, line, buckets.count))
    return SeriesResult(
        start=buckets.start,
        end=buckets.end,
        step_s=buckets.step_s,
        resolution=buckets.resolution,
        starts_ms=buckets.starts_ms,
        curves=tuple(curves),
    )


def _buckets(
    series_of: SeriesOf,
    start: datetime,
    end: datetime,
    *,
    points: int | None,
    step_s: int | None,
    finest_s: int = 1,
) -> Buckets:
    """Coarser than asked for where there would be too much to read, unless `step_s` says so."""
    affordable_s = affordable_span(series_of, (end - start).total_seconds())
    return buckets_choose(
        start,
        end,
        points=points,
        step_s=step_s,
        most=MAX_POINTS,
        finest_s=max(affordable_s, finest_s),
    )


def fleet_aggregate(
    *,
    cluster_key: int,
    subjects: Sequence[SubjectRef] | None,
    metrics: Sequence[str],
    start: datetime,
    end: datetime,
    at: datetime,
    points: int | None = None,
    step_s: int | None = None,
) -> FleetResult:
    """One curve per metric over `subjects` (``None``: all of the cluster that have the metric):
    minimum, average, maximum, p95, total. Range, step and errors as in `series_read`."""
    asked = [metric_get(key) for key in metrics]
    series_of = series_of_metrics(cluster_key, asked, subjects)
    buckets = _buckets(series_of, start, end, points=points, step_s=step_s)
    found = matrices_read(asked, series_of, buckets)
    return FleetResult(
        start=buckets.start,
        end=buckets.end,
        step_s=buckets.step_s,
        resolution=buckets.resolution,
        starts_ms=buckets.starts_ms,
        curves=tuple(fleet_curve(metric, found[metric.key].matrix) for metric in asked),
    )


def top_subjects(
    *,
    cluster_key: int,
    metric: str,
    start: datetime,
    end: datetime,
    at: datetime,
    subjects: Sequence[SubjectRef] | None = None,
    limit: int = 10,
    by: str = "average",
    lowest: bool = False,
) -> list[TopSubject]:
    """The subjects with the highest (or lowest) figure over the range; `by`: ``average``,
    ``maximum`` or ``minimum``. Those without a sample in it are left out."""
    asked = metric_get(metric)
    if by not in ("average", "maximum", "minimum"):
        raise RangeWrong("by must be average, maximum or minimum.")
    length_s = int((end - start).total_seconds())
    series = series_find(cluster_key, asked.kind, subjects)
    span = max(affordable_span({asked.kind: series}, length_s), MINUTE_S)
    buckets = buckets_choose(
        start, end, points=None, step_s=span if length_s > 0 else None, most=MAX_CELLS
    )
    whole = Buckets(buckets.start_ms, buckets.step_s * buckets.count, 1, buckets.resolution)
    lines = lines_read(series, [asked], whole)[asked.key]
    figures = getattr(lines.matrix, by)[:, 0]
    known = np.flatnonzero(~np.isnan(figures))
    order = np.argsort(figures[known] if lowest else -figures[known], kind="stable")
    return [
        TopSubject(
            subject=SubjectRef(lines.series[line].subject_kind, lines.series[line].subject_key),
            label=lines.series[line].label,
            minimum=float(lines.matrix.minimum[line, 0]),
            average=float(lines.matrix.average[line, 0]),
            maximum=float(lines.matrix.maximum[line, 0]),
        )
        for line in known[order][:limit].tolist()
    ]


def heatmap(
    *,
    cluster_key: int,
    metric: str,
    start: datetime,
    end: datetime,
    at: datetime,
    subjects: Sequence[SubjectRef] | None = None,
    points: int | None = None,
    step_s: int | None = None,
) -> Heatmap:
    """Subjects × time of one metric. Default: all subjects that have it, at most 120 buckets
    (never finer than a minute unless `step_s` says so)."""
    asked = metric_get(metric)
    series = series_find(cluster_key, asked.kind, subjects)
    buckets = _buckets(
        {asked.kind: series}, start, end, points=points or 120, step_s=step_s, finest_s=MINUTE_S
    )
    cells_check(buckets, len(series))
    lines = lines_read(series, [asked], buckets)[asked.key]
    return Heatmap(
        start=buckets.start,
        end=buckets.end,
        step_s=buckets.step_s,
        resolution=buckets.resolution,
        starts_ms=buckets.starts_ms,
        subjects=tuple(SubjectRef(one.subject_kind, one.subject_key) for one in series),
        labels=tuple(one.label for one in series),
        metric=asked,
        values=lines.matrix.average,
        maxima=lines.matrix.maximum,
    )


def state_timeline(
    *,
    cluster_key: int,
    subjects: Sequence[SubjectRef],
    start: datetime,
    end: datetime,
    at: datetime,
) -> list[Timeline]:
    """What state each subject was in, span by span, in the order asked."""
    until = min(end, at)
    series = {
        SubjectRef(one.subject_kind, one.subject_key): one
        for one in series_find(cluster_key, "state", subjects)
    }
    start_ms, end_ms = milliseconds(start), milliseconds(until)
    if end_ms <= start_ms:
        return [Timeline(one, series[one].label if one in series else "", ()) for one in subjects]
    ids = [one.id for one in series.values()]
    changes = timelines.changes_read(ids, start_ms, end_ms)
    seen = timelines.seen_spans(cluster_key, start_ms, end_ms, blind_ms=BLIND_AFTER_S * 1000)
    out = []
    for subject in subjects:
        of = series.get(subject)
        spans = timelines.spans_make(None if of is None else changes.get(of.id), seen, start, until)
        out.append(Timeline(subject, "" if of is None else of.label, spans))
    return out


def raw_entries(
    *,
    cluster_key: int,
    subject: SubjectRef,
    kind: str = "system",
    boot: int | None = None,
    since_event_id: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 10_000,
) -> list[RawEntry]:
    """Stored samples one by one: by time, or, with `since_event_id`, those of `boot` with that
    event id or a later one, by event id. The oldest `limit` of them."""
    series = Series.objects.filter(
        cluster_key=cluster_key, kind=kind, subject_kind=subject.kind, subject_key=subject.key
    ).first()
    if series is None:
        return []
    if since_event_id is not None:
        return entries.entries_since(series, boot, since_event_id, limit)
    first = start or series.first_at or datetime(1970, 1, 1, tzinfo=UTC)
    last = end or (series.last_at or first) + timedelta(seconds=1)
    found = entries.entries_between(series, milliseconds(first), milliseconds(last), limit)
    return found if boot is None else [one for one in found if one.boot == boot]


def retention_plan(*, at: datetime, limits: RetentionLimits | None = None) -> RetentionPlan:
    """Present size, growth and what will go when, per resolution; `limits` default to the
    settings'."""
    return plan.plan(at, limits or retention_limits())
