"""Merge hours that are over, and remove what is kept no longer, in small steps."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from apps.history.services import history_merge, retention_apply, retention_limits

MERGE_STEP = 500
"""Hours of series merged between two looks at the clock."""
BUDGET_S = 20.0
"""Longest time of one call: the next one goes on."""
PAUSE_S = 0.05
"""Between two steps, so that the collector's own writes get their turn."""


@dataclass(frozen=True, slots=True)
class Kept:
    merged: int
    removed: int


def history_upkeep(*, at: datetime, budget_s: float = BUDGET_S) -> Kept:
    """One turn of upkeep; what it does not finish, the next one does."""
    until = time.monotonic() + budget_s
    merged = removed = 0
    while time.monotonic() < until:
        step = history_merge(at=at, limit=MERGE_STEP)
        merged += step
        if step < MERGE_STEP:
            break
        time.sleep(PAUSE_S)
    limits = retention_limits()
    while time.monotonic() < until:
        gone = retention_apply(at=at, limits=limits)
        removed += sum(gone.rows.values())
        if gone.done:
            break
        time.sleep(PAUSE_S)
    return Kept(merged, removed)
