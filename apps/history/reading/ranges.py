"""Which buckets an answer has, and from what it is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from apps.history.errors import RangeWrong
from apps.history.models import RetentionFloor
from apps.history.types import Ints, Resolution

STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200),
    *(86_400, 2 * 86_400, 7 * 86_400, 14 * 86_400, 28 * 86_400, 91 * 86_400, 364 * 86_400),
)
"""Steps that people find round; each resolution's own step is among them."""

SPAN_S = {
    Resolution.RAW: 1,
    Resolution.MINUTE: 60,
    Resolution.HOUR: 3600,
    Resolution.DAY: 86_400,
}
DEFAULT_POINTS = 500
LONGEST = timedelta(days=366 * 20)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Bucket i covers [start_ms + i·step, start_ms + (i+1)·step) milliseconds."""

    start_ms: int
    step_s: int
    count: int
    resolution: Resolution

    @property
    def step_ms(self) -> int:
        return self.step_s * 1000

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.count * self.step_ms

    @property
    def starts_ms(self) -> Ints:
        return self.start_ms + np.arange(self.count, dtype=np.int64) * self.step_ms

    @property
    def start(self) -> datetime:
        return datetime.fromtimestamp(self.start_ms / 1000, UTC)

    @property
    def end(self) -> datetime:
        return datetime.fromtimestamp(self.end_ms / 1000, UTC)


def buckets_choose(
    start: datetime,
    end: datetime,
    *,
    points: int | None,
    step_s: int | None,
    most: int,
    finest_s: int = 1,
) -> Buckets:
    """Buckets over [start, end), moved outwards to whole ones. `finest_s`: no finer than this,
    unless `step_s` is given. Raises RangeWrong."""
    length_s = (end - start).total_seconds()
    if length_s <= 0:
        raise RangeWrong("The range's end must be after its start.")
    if end - start > LONGEST or start.year < 1970 or end.year > 2099:
        raise RangeWrong("The range must lie in the years 1970 to 2099 and span 20 years or less.")
    if points is not None and not 1 <= points <= most:
        raise RangeWrong(f"points must be from 1 to {most}.")
    if step_s is not None:
        if step_s < 1:
            raise RangeWrong("step must be a second or more.")
        step = step_s
    else:
        wanted = max(length_s / (points or DEFAULT_POINTS), finest_s)
        step = next((one for one in STEPS_S if one >= wanted), STEPS_S[-1])
    resolution = _coarser_where_removed(_resolution(step), start)
    span = SPAN_S[resolution]
    step = -(-step // span) * span
    first = int(start.timestamp() // step)
    last = -int(-end.timestamp() // step)
    count = max(last - first, 1)
    if count > most:
        raise RangeWrong(
            f"That makes {count:,} points; at most {most:,} are served at once. "
            "Ask for a larger step, fewer points or a shorter range."
        )
    return Buckets(first * step * 1000, step, count, resolution)


def _resolution(step_s: int) -> Resolution:
    return max((one for one in SPAN_S if SPAN_S[one] <= step_s), key=lambda one: SPAN_S[one])


def _coarser_where_removed(resolution: Resolution, start: datetime) -> Resolution:
    """The finest resolution, from the given one on, that still has the range's start."""
    before = dict(RetentionFloor.objects.values_list("resolution", "before"))
    order = list(SPAN_S)
    for one in order[order.index(resolution) :]:
        if one not in before or before[one] <= start:
            return one
    return Resolution.DAY
