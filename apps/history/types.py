"""What goes into the history, and what is read from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.history.metrics import Metric

Value = float | int | None
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Resolution(StrEnum):
    """What an answer was read from."""

    RAW = "raw"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True, order=True)
class SubjectRef:
    """What a series is about: kind (``node``) and key (``7``; see `models.Series`)."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples of one series from one process of its subject, in any order.

    `columns` holds one value per sample for each metric it names (short names of the kind,
    as in `metrics.KINDS`); metrics that it does not name are not known. ``None``: not known.
    Any span of time; whole minutes are stored fastest.
    """

    subject_kind: str
    subject_key: str
    kind: str
    label: str
    boot: int | None
    """Which process of the runtime (64 bits, signed); another number after each restart."""
    times_ms: Sequence[int]
    """Unix milliseconds, the samples' own wall time."""
    event_ids: Sequence[int] | None
    columns: Mapping[str, Sequence[Value]]


@dataclass(frozen=True, slots=True)
class StateSample:
    """A subject is in this state from this instant on."""

    subject_kind: str
    subject_key: str
    label: str
    state: str
    """One of `metrics.STATES`."""
    since: datetime
    boot: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of the samples given to `samples_store`."""

    new: int
    """Samples that were not there before."""
    known: int
    """Samples that were: nothing changed."""
    too_late: int
    """Samples older than what raw retention has removed: not stored."""
    minutes_written: int


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one subject over the buckets of a `SeriesResult`. NaN: nothing known."""

    subject: SubjectRef
    label: str
    metric: Metric
    minimum: Floats
    average: Floats
    maximum: Floats
    counts: Ints
    """Samples in the bucket (for a rate: intervals between readings). 0 with a value: the
    reading before still holds; NaN: a gap."""
    cadence_s: float | None
    """Usual distance of this subject's samples in the range; ``None``: not known."""


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """Curves over common buckets. Bucket i covers [starts_ms[i], starts_ms[i] + step_s)."""

    start: datetime
    end: datetime
    """The asked range, moved outwards to whole buckets."""
    step_s: int
    resolution: Resolution
    starts_ms: Ints
    curves: tuple[Curve, ...]
    """In the order asked: by subject, then metric. A subject without samples has all-NaN curves."""


@dataclass(frozen=True, slots=True)
class FleetCurve:
    """One metric over all given subjects. Each bucket: over the subjects' own averages
    (`average`, `p95`), over their maxima (`maximum`) and minima (`minimum`)."""

    metric: Metric
    minimum: Floats
    average: Floats
    maximum: Floats
    p95: Floats
    total: Floats
    """Sum of the subjects' averages."""
    subjects: Ints
    """Subjects with a value in the bucket."""


@dataclass(frozen=True, slots=True)
class FleetResult:
    start: datetime
    end: datetime
    step_s: int
    resolution: Resolution
    starts_ms: Ints
    curves: tuple[FleetCurve, ...]


@dataclass(frozen=True, slots=True)
class TopSubject:
    """One line of a top list: over the whole range."""

    subject: SubjectRef
    label: str
    minimum: float
    average: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Heatmap:
    """`values[i, j]`: average of subject i in bucket j; NaN is a gap. `maxima` likewise."""

    start: datetime
    end: datetime
    step_s: int
    resolution: Resolution
    starts_ms: Ints
    subjects: tuple[SubjectRef, ...]
    labels: tuple[str, ...]
    metric: Metric
    values: Floats
    maxima: Floats


@dataclass(frozen=True, slots=True)
class StateSpan:
    """A state from `start` to `end`; ``None``: not known (the portal did not look)."""

    state: str | None
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    subject: SubjectRef
    label: str
    spans: tuple[StateSpan, ...]
    """Without holes from the asked start to the asked end, or to now if that is earlier."""


@dataclass(frozen=True, slots=True)
class RawEntry:
    """One stored sample: floats within their metric's resolution, whole numbers exact."""

    time_ms: int
    event_id: int | None
    boot: int | None
    values: Mapping[str, Value] = field(default_factory=dict)
    """Short metric name → value, ``None`` where not known; all metrics of the kind."""


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """How long each resolution is kept, days; `max_bytes` 0: no limit."""

    raw_days: int
    minutes_days: int
    hours_days: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class ResolutionPlan:
    """One resolution's line on the storage page."""

    resolution: str
    """``raw``, ``minute``, ``hour``, ``day``."""
    keep_days: int | None
    """``None``: kept for ever."""
    rows: int
    bytes: int
    """Payload and an estimate of the rows' overhead."""
    oldest_at: datetime | None
    bytes_per_day: float | None
    """Mean of the last seven whole days that have any; ``None``: no day is whole yet."""
    next_removal_at: datetime | None
    """When the oldest will be due; ``None``: never, or there is nothing."""
    next_removal_bytes: int
    """What leaves on that day."""
    limited_by: str
    """``days``, ``bytes`` or empty: which limit takes the oldest first."""


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    at: datetime
    limits: RetentionLimits
    resolutions: tuple[ResolutionPlan, ...]
    total_bytes: int
    bytes_per_day: float | None
    database_bytes: int | None
    """What the database says its files (SQLite) or the history's tables (PostgreSQL) take."""
    full_at: datetime | None
    """When `max_bytes` will be reached at the present growth; ``None``: never or no limit."""
    steady_bytes: int | None
    """What the days alone will lead to, at the present growth; ``None``: not known yet."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What one step of retention removed, per resolution; `done`: nothing more is due."""

    rows: Mapping[str, int]
    bytes: int
    done: bool

    def as_dict(self) -> dict[str, Any]:
        return {"rows": dict(self.rows), "bytes": self.bytes, "done": self.done}
