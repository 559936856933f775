"""Pure functions of (seed, time) that make figures look like a cluster at work.

Times are seconds since the simulation's epoch. Everything that a counter needs
has a closed-form integral, so that a counter costs the same after a year.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DAY_S = 86_400.0
TWO_PI = 2.0 * math.pi
_MASK = 0xFFFFFFFFFFFFFFFF


def mixed(*parts: int) -> int:
    """A well mixed 64-bit number of its arguments: steady, and cheap enough for every figure."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = ((state ^ part) * 0xBF58476D1CE4E5B9) & _MASK
        state ^= state >> 29
    state = (state * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 32)


def unit(*parts: int) -> float:
    """A number in [0, 1) from `mixed`."""
    return mixed(*parts) / 2.0**64


def between(low: float, high: float, *parts: int) -> float:
    return low + (high - low) * unit(*parts)


def noise(key: int, at_s: float, period_s: float) -> float:
    """Smooth noise in [0, 1): random values every ``period_s``, eased between.

    Give each use of a node's key its own offset (``key + 1``): neighbours do not resemble.
    """
    position = at_s / period_s
    slot = math.floor(position)
    part = position - slot
    eased = part * part * (3.0 - 2.0 * part)
    first, second = unit(key, slot), unit(key, slot + 1)
    return first + (second - first) * eased


def daily(at_s: float, phase: float) -> float:
    """0 at night, 1 in the afternoon; ``phase`` in days."""
    return 0.5 - 0.5 * math.cos(TWO_PI * (at_s / DAY_S - phase))


@dataclass(frozen=True, slots=True)
class JobTrain:
    """Jobs of one length that start at regular intervals: busy, then idle."""

    period_s: float
    busy_s: float
    phase_s: float
    weight: float
    """How much of the machine such a job takes, 0..1."""

    def level(self, at_s: float) -> float:
        """0 when idle, 1 in a job's middle; a job takes some seconds to come up and to end."""
        into = (at_s - self.phase_s) % self.period_s
        if into >= self.busy_s:
            return 0.0
        ramp_s = min(12.0, self.busy_s / 4.0)
        return min(1.0, into / ramp_s, (self.busy_s - into) / ramp_s)

    def busy_between(self, start_s: float, end_s: float) -> float:
        """Seconds of work from start to end: never falls as the end moves on."""
        return self._busy_until(end_s) - self._busy_until(start_s)

    def _busy_until(self, at_s: float) -> float:
        whole, into = divmod(at_s - self.phase_s, self.period_s)
        return whole * self.busy_s + min(into, self.busy_s)


def swell_between(start_s: float, end_s: float, period_s: float, phase: float) -> float:
    """Integral of 1 + sin over a period: a rate that swells and never goes below zero."""
    omega = TWO_PI / period_s
    turn = math.cos(omega * end_s + phase) - math.cos(omega * start_s + phase)
    return (end_s - start_s) - turn / omega


def trains_make(seed: int, node_id: int) -> tuple[JobTrain, ...]:
    """A node's jobs: two that it shares with its rack of 16, one of its own."""
    rack = node_id // 16
    return (
        _train(mixed(seed, 11, rack), 2_400.0, 7_200.0, 0.45, 0.75),
        _train(mixed(seed, 12, rack), 600.0, 1_500.0, 0.2, 0.4),
        _train(mixed(seed, 13, node_id), 180.0, 900.0, 0.1, 0.35),
    )


def _train(key: int, shortest: float, longest: float, low: float, high: float) -> JobTrain:
    period_s = between(shortest, longest, key, 1)
    return JobTrain(
        period_s=period_s,
        busy_s=period_s * between(0.25, 0.65, key, 2),
        phase_s=period_s * unit(key, 3),
        weight=between(low, high, key, 4),
    )


def load(trains: tuple[JobTrain, ...], at_s: float) -> float:
    """How busy the jobs keep a node, 0..1."""
    total = 0.0
    for train in trains:
        total += train.weight * train.level(at_s)
    return min(1.0, total)


def work_between(trains: tuple[JobTrain, ...], start_s: float, end_s: float) -> float:
    """Weighted seconds of work from start to end, for counters."""
    return sum(train.weight * train.busy_between(start_s, end_s) for train in trains)
