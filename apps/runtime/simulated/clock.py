"""Where simulated time comes from: the machine, or a test's hand."""

from __future__ import annotations

import time
from typing import Protocol

NS = 1_000_000_000
EPOCH_NS = 1_735_689_600 * NS
"""2025-01-01 UTC: figures count seconds from here, so that a float keeps microseconds."""


class Clock(Protocol):
    """Unix time and the monotonic clock, both in nanoseconds."""

    def wall_ns(self) -> int: ...

    def mono_ns(self) -> int: ...


class SystemClock:
    """The machine's clocks."""

    def wall_ns(self) -> int:
        return time.time_ns()

    def mono_ns(self) -> int:
        return time.monotonic_ns()


class ManualClock:
    """Stands still until `advance`: two servers with the same seed answer the same bytes."""

    def __init__(self, wall_ns: int = EPOCH_NS, mono_ns: int = 10_000 * NS) -> None:
        self._wall_ns = wall_ns
        self._mono_ns = mono_ns

    def wall_ns(self) -> int:
        return self._wall_ns

    def mono_ns(self) -> int:
        return self._mono_ns

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"a clock only goes forward, got {seconds} s")
        step = round(seconds * NS)
        self._wall_ns += step
        self._mono_ns += step


def epoch_seconds(wall_ns: int) -> float:
    """Seconds since `EPOCH_NS`."""
    return (wall_ns - EPOCH_NS) / NS
