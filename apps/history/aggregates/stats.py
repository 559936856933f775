"""Samples → the statistics of each metric; statistics of shorter spans → of longer ones.

A gauge has count, minimum, maximum, last and total: whole numbers in steps of its scale,
or floats of the value itself where a value has no steps. Only figures count: ``None``, NaN
and infinities do not. A counter has its first and last reading, by how much it rose in
between, and over what time: two readings make an interval if one process gave both, the
later one is not lower, and they are not a gap apart.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from apps.history.codec.blocks import Samples
from apps.history.codec.columns import Column, finite_values
from apps.history.metrics import Metric, MetricType

GAP_S = 150.0
"""Readings of a counter this far apart make an interval whatever their usual distance."""

GAP_CADENCES = 3.0
"""Beyond that, this many times their usual distance does."""

ROOM = 2**63
NO_BOOT = 0


class GaugeStat(NamedTuple):
    """Four figures that are all `int` (steps) or all `float` (values)."""

    samples: int
    minimum: Any
    maximum: Any
    last: Any
    total: Any

    @property
    def in_steps(self) -> bool:
        return isinstance(self.minimum, int)


class CounterStat(NamedTuple):
    first: int
    last: int
    increase: int
    span_ms: int
    """Time covered by intervals."""
    first_ms: int
    last_ms: int
    """Unix milliseconds of the first and last reading."""
    boot_first: int
    boot_last: int
    """Tags of 16 bits of the processes that gave them."""
    intervals: int
    min_rate: float
    max_rate: float
    """Per second, of single intervals; 0 where there is none."""


Stat = GaugeStat | CounterStat | None


def boot_tag(boot: int | None) -> int:
    """A process's number → 16 bits that tell it from its neighbours; never 0."""
    if boot is None:
        return NO_BOOT
    return zlib.crc32(boot.to_bytes(9, "little", signed=True)) % 0xFFFF + 1


def stats_compute(blocks: Sequence[Samples], metrics: Sequence[Metric]) -> list[list[Stat]]:
    """For each block one statistic per metric, ``None`` where it has no figure."""
    out: list[list[Stat]] = [[None] * len(metrics) for _ in blocks]
    waiting: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, block in enumerate(blocks):
        for place, column in enumerate(block.columns[: len(metrics)]):
            if column is None:
                continue
            if metrics[place].type is MetricType.COUNTER:
                out[number][place] = counter_stat(block, column)
            elif column.present is None and column.values.dtype.kind == "i":
                waiting[place, block.count].append(number)
            else:
                out[number][place] = _gauge_slow(column)
    for (place, _), numbers in waiting.items():
        columns = [blocks[number].columns[place] for number in numbers]
        matrix = np.stack([column.values for column in columns if column is not None])
        for number, stat in zip(numbers, _gauges(matrix), strict=True):
            out[number][place] = stat
    return out


def _gauges(matrix: npt.NDArray[np.int64]) -> list[GaugeStat]:
    count = matrix.shape[1]
    lowest, highest = matrix.min(axis=1), matrix.max(axis=1)
    totals: list[int]
    if int(highest.max()) * count < ROOM and int(lowest.min()) * count > -ROOM:
        totals = matrix.sum(axis=1).tolist()
    else:
        totals = [sum(row) for row in matrix.tolist()]
    return [
        GaugeStat(count, *stat)
        for stat in zip(
            lowest.tolist(), highest.tolist(), matrix[:, -1].tolist(), totals, strict=True
        )
    ]


def _gauge_slow(column: Column) -> GaugeStat | None:
    values, _ = finite_values(column)
    kept: list[Any] = values.tolist()
    if not kept:
        return None
    return GaugeStat(len(kept), min(kept), max(kept), kept[-1], sum(kept))


def counter_stat(block: Samples, column: Column) -> CounterStat | None:
    """One counter over the samples of a block."""
    if column.values.dtype.kind not in "iu" or int(column.values.min()) < 0:
        return None  # no counter of a runtime looks so: the raw values tell
    times, boots = block.times_ms, _boots(block)
    if column.present is not None:
        times, boots = times[column.present], boots[column.present]
    values = column.values.astype(np.uint64)
    tags = (boot_tag(_boot_at(block, boots, 0)), boot_tag(_boot_at(block, boots, -1)))
    ends = (int(values[0]), int(values[-1]))
    increase = span = intervals = 0
    rates: tuple[float, float] = (0.0, 0.0)
    if values.size > 1:
        distance = np.diff(times)
        counted = (boots[1:] == boots[:-1]) & (values[1:] >= values[:-1]) & (distance > 0)
        counted &= distance <= gap_ms(float(np.median(distance)))
        if counted.any():
            rise = (values[1:] - values[:-1])[counted]
            took = distance[counted]
            increase, span, intervals = sum(rise.tolist()), int(took.sum()), int(took.size)
            each = rise / (took / 1000.0)
            rates = (float(each.min()), float(each.max()))
    return CounterStat(
        *ends, increase, span, int(times[0]), int(times[-1]), *tags, intervals, *rates
    )


def _boots(block: Samples) -> npt.NDArray[Any]:
    """One number per sample; 0 where there is none (which is a process of its own)."""
    if block.boots is None:
        return np.zeros(block.count, np.int64)
    if block.boots.present is None:
        return block.boots.values
    boots = np.zeros(block.count, np.int64)
    boots[block.boots.present] = block.boots.values
    return boots


def _boot_at(block: Samples, boots: npt.NDArray[Any], place: int) -> int | None:
    return None if block.boots is None else int(boots[place])


def gap_ms(cadence_ms: float) -> float:
    """From what distance on two readings are a gap apart."""
    return max(GAP_S * 1000, GAP_CADENCES * cadence_ms)


def stats_combine(rows: Iterable[Sequence[Stat]], metrics: Sequence[Metric]) -> tuple[Stat, ...]:
    """Statistics of successive spans, in order of time → of all of them together."""
    listed = list(rows)
    out: list[Stat] = []
    for place, metric in enumerate(metrics):
        stats = [row[place] for row in listed if place < len(row)]
        if metric.type is MetricType.COUNTER:
            out.append(_counters_combine([one for one in stats if isinstance(one, CounterStat)]))
        else:
            gauges = [one for one in stats if isinstance(one, GaugeStat)]
            out.append(_gauges_combine(gauges, metric.scale))
    return tuple(out)


def _gauges_combine(stats: list[GaugeStat], scale: int) -> GaugeStat | None:
    if not stats:
        return None
    if not all(one.in_steps for one in stats):
        stats = [in_values(one, scale) for one in stats]
    return GaugeStat(
        sum(one.samples for one in stats),
        min(one.minimum for one in stats),
        max(one.maximum for one in stats),
        stats[-1].last,
        sum(one.total for one in stats),
    )


def in_values(stat: GaugeStat, scale: int) -> GaugeStat:
    """Steps → floats of the value itself."""
    if not stat.in_steps:
        return stat
    return GaugeStat(stat.samples, *(float(figure / scale) for figure in stat[1:]))


def _counters_combine(stats: list[CounterStat]) -> CounterStat | None:
    if not stats:
        return None
    increase = sum(one.increase for one in stats)
    span = sum(one.span_ms for one in stats)
    intervals = sum(one.intervals for one in stats)
    rates = [rate for one in stats if one.intervals for rate in (one.min_rate, one.max_rate)]
    cadence = span / intervals if intervals else 0.0
    for before, after in pairwise(stats):
        rise, took = interval(before, after, cadence_ms=cadence)
        if took:
            increase, span, intervals = increase + rise, span + took, intervals + 1
            rates.append(rise * 1000 / took)
    first, last = stats[0], stats[-1]
    return CounterStat(
        first.first,
        last.last,
        increase,
        span,
        first.first_ms,
        last.last_ms,
        first.boot_first,
        last.boot_last,
        intervals,
        min(rates, default=0.0),
        max(rates, default=0.0),
    )


def interval(before: CounterStat, after: CounterStat, *, cadence_ms: float) -> tuple[int, int]:
    """The interval between two spans → (rise, milliseconds); (0, 0) when they make none."""
    took = after.first_ms - before.last_ms
    joined = before.boot_last == after.boot_first and after.first >= before.last
    if not joined or not 0 < took <= gap_ms(cadence_ms):
        return 0, 0
    return after.first - before.last, took
