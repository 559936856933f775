"""How far a node's clock is from the portal's, from when its samples were taken and came.

One answer tells little: its newest sample was taken at some time within the last second,
by the node's clock, and the answer was under way for its latency. So each answer gives an
interval that the offset must lie in, and the intervals of many answers narrow it down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from apps.common.time import from_unix_ns
from apps.runtime.types import SystemSample

SAMPLE_PERIOD_S = 1.05
"""A runtime's second is a little uneven; a sample is never older than this when it answers."""
ANSWERS_COUNTED = 60
"""An interval is begun anew after as many answers, so that a clock that drifts is followed."""
LEAST_CHANGE_S = 0.3
"""Not worth a write below this."""


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """The node's clock minus the portal's lies in [low_s, high_s]."""

    low_s: float
    high_s: float
    answers: int = 1

    @property
    def skew_s(self) -> float:
        """The best guess, to a tenth of a second; positive: the node's clock is ahead."""
        return round((self.low_s + self.high_s) / 2, 1)


def offset_add(
    known: ClockOffset | None, sample: SystemSample, *, asked_at: datetime, settled_at: datetime
) -> ClockOffset:
    """`known` narrowed by one answer whose newest sample this is."""
    own = from_unix_ns(sample.wall_time_ns)
    low = (own - settled_at).total_seconds()
    high = (own - asked_at).total_seconds() + SAMPLE_PERIOD_S
    fresh = ClockOffset(low, high)
    if known is None or known.answers >= ANSWERS_COUNTED:
        return fresh
    low, high = max(low, known.low_s), min(high, known.high_s)
    if low > high:
        return fresh  # one of the clocks was set, or the runtime could not sample in time
    return replace(known, low_s=low, high_s=high, answers=known.answers + 1)


def skew_kept(stored_s: float | None, offset: ClockOffset) -> float | None:
    """What to store: the old value while it still agrees."""
    if stored_s is not None and abs(stored_s - offset.skew_s) < LEAST_CHANGE_S:
        return stored_s
    return offset.skew_s
