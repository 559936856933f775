"""Waiting for a job's end, for the caller's sake."""

from __future__ import annotations

import time

from apps.control.models import FINAL, ControlJob
from apps.control.selectors import job_get

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 0.25


def job_wait(pk: int, *, wait_s: float) -> ControlJob:
    """The job at its end, or as it is after `wait_s`. Raises JobUnknown."""
    until = time.monotonic() + wait_s
    pause_s = FIRST_PAUSE_S
    while not ControlJob.objects.filter(pk=pk, status__in=FINAL).exists():
        left_s = until - time.monotonic()
        if left_s <= 0:
            break
        time.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
    return job_get(pk)
