"""Reading history. Ranges are half-open: from `start` up to but not including `end`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.history.metrics import CATALOGUE, KINDS, Metric, metric_get
from apps.history.models import Series
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

BLIND_AFTER_S = 150
"""Without a mark of the collector for longer, a state counts as not known."""

MAX_POINTS = 20_000
"""Most buckets of one answer."""

MAX_CELLS = 4_000_000
"""Most buckets × subjects × metrics of one answer."""


def series_list(
    *,
    cluster_key: int,
    kind: str,
    subject_keys: Sequence[str] | None = None,
    key_prefix: str = "",
) -> list[Series]:
    """Series of a kind, by subject key: all of a cluster, those named, or those whose key
    begins so (``"7/"``: all parts of node 7)."""
    raise NotImplementedError


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
    fine ones, the next coarser serves and the step grows (`step_s` and `resolution` say so).
    Raises MetricUnknown, RangeWrong (400).
    """
    raise NotImplementedError


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
    raise NotImplementedError


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
    raise NotImplementedError


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
    raise NotImplementedError


def state_timeline(
    *,
    cluster_key: int,
    subjects: Sequence[SubjectRef],
    start: datetime,
    end: datetime,
    at: datetime,
) -> list[Timeline]:
    """What state each subject was in, span by span, in the order asked."""
    raise NotImplementedError


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
    raise NotImplementedError


def retention_plan(*, at: datetime, limits: RetentionLimits | None = None) -> RetentionPlan:
    """Present size, growth and what will go when, per resolution; `limits` default to the
    settings'."""
    raise NotImplementedError
