"""Rows → buckets: minimum, average, maximum of each, for many series at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.history.aggregates.stats import gap_ms
from apps.history.metrics import Metric, MetricType
from apps.history.reading.ranges import Buckets
from apps.history.reading.source import Source
from apps.history.types import Floats, Ints

HOLD_CADENCES = 2
"""A reading holds for this many usual distances, so that a late one makes no gap."""


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """One metric: a line per series, a column per bucket. NaN is a gap."""

    minimum: Floats
    average: Floats
    maximum: Floats
    counts: Ints
    cadence_s: Floats
    """One per series; NaN: not known."""

    @classmethod
    def empty(cls, lines: int, buckets: int) -> Matrix:
        low, mean, high = (np.full((lines, buckets), np.nan) for _ in range(3))
        counts = np.zeros((lines, buckets), np.int64)
        return cls(low, mean, high, counts, np.full(lines, np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """What goes into buckets, sorted by series and time: weights and figures."""

    series: Ints
    at_ms: Ints
    until_ms: Ints
    """To when each is known to hold."""
    counts: Ints
    weight: Floats
    total: Floats
    minimum: Floats
    maximum: Floats


def matrix_make(source: Source, metric: Metric, lines: int, buckets: Buckets) -> Matrix:
    """The buckets of one metric."""
    rate = metric.type is MetricType.RATE
    if metric.type is MetricType.COUNTER:
        pieces, cadence = _counter_pieces(source, metric, lines)
    elif rate:
        pieces, cadence = _rate_pieces(source, metric, lines)
    else:
        pieces, cadence = _gauge_pieces(source, metric, lines)
    return _reduce(pieces, cadence, lines, buckets)


def _gauge_pieces(source: Source, metric: Metric, lines: int) -> tuple[_Pieces, Floats]:
    table = source.gauges(metric)
    known = np.flatnonzero(table.samples > 0)
    rows = source.rows
    series, starts, ends = rows.series[known], rows.starts_ms[known], rows.ends_ms[known]
    counts = table.samples[known]
    cadence = _cadence(series, starts, counts, (ends - starts) / counts, lines)
    return (
        _Pieces(
            series,
            starts,
            ends,
            counts,
            counts.astype(np.float64),
            table.total[known],
            table.minimum[known],
            table.maximum[known],
        ),
        cadence,
    )


def _counter_pieces(source: Source, metric: Metric, lines: int) -> tuple[_Pieces, Floats]:
    """A counter as it stands: its lowest and highest reading, the last as its average."""
    table = source.counters(metric)
    known = np.flatnonzero(table.known)
    rows = source.rows
    series, starts = rows.series[known], rows.starts_ms[known]
    first, last = table.first[known].astype(np.float64), table.last[known].astype(np.float64)
    counts = table.intervals[known] + 1
    each = (table.last_ms[known] - table.first_ms[known]) / np.maximum(table.intervals[known], 1)
    cadence = _cadence(series, table.first_ms[known], counts, each, lines)
    low, high = np.minimum(first, last), np.maximum(first, last)
    weight = np.ones(known.size)
    until = table.last_ms[known] + 1
    return _Pieces(series, starts, until, counts, weight, last, low, high), cadence


def _rate_pieces(source: Source, metric: Metric, lines: int) -> tuple[_Pieces, Floats]:
    """Rises over times: those within rows, and those from one row to the next."""
    table = source.counters(metric)
    known = np.flatnonzero(table.known)
    series, starts = source.rows.series[known], source.rows.starts_ms[known]
    first, last = table.first[known], table.last[known]
    first_ms, last_ms = table.first_ms[known], table.last_ms[known]
    spans, intervals = table.span_ms[known], table.intervals[known]
    each = spans / np.maximum(intervals, 1)
    cadence = _cadence(series, first_ms, intervals + 1, each, lines)
    size = known.size
    rise = table.increase[known].astype(np.float64)
    took = spans.astype(np.float64)
    low = np.where(intervals > 0, table.min_rate[known], np.inf)
    high = np.where(intervals > 0, table.max_rate[known], -np.inf)
    counts = intervals.copy()
    if size > 1:
        between = first_ms[1:] - last_ms[:-1]
        joined = (series[1:] == series[:-1]) & (first[1:] >= last[:-1]) & (between > 0)
        joined &= table.boot_first[known][1:] == table.boot_last[known][:-1]
        longest = np.array([gap_ms(1000 * one if one == one else 0.0) for one in cadence.tolist()])
        joined &= between <= longest[series[1:]]
        at = np.flatnonzero(joined) + 1
        more = (first[at] - last[at - 1]).astype(np.float64)
        rate = more * 1000 / between[at - 1]
        rise[at] += more
        took[at] += between[at - 1]
        low[at], high[at] = np.minimum(low[at], rate), np.maximum(high[at], rate)
        counts[at] += 1
    kept = np.flatnonzero(counts > 0)
    return (
        _Pieces(
            series[kept],
            starts[kept],
            last_ms[kept] + 1,
            counts[kept],
            took[kept] / 1000,
            rise[kept],
            low[kept],
            high[kept],
        ),
        cadence,
    )


def _cadence(series: Ints, at_ms: Ints, counts: Ints, within_ms: Floats, lines: int) -> Floats:
    """Usual seconds from sample to sample, per series: within rows that hold several samples
    (`counts`), from row to row where they hold one."""
    cadence = np.full(lines, np.nan)
    if not series.size:
        return cadence
    several = _medians(series, counts.astype(np.float64), lines) > 1
    cadence[several] = _medians(series, within_ms, lines)[several] / 1000
    follows = np.flatnonzero(np.diff(series) == 0) + 1
    steps = np.full(lines, np.nan)
    if follows.size:
        distance = (at_ms[follows] - at_ms[follows - 1]).astype(np.float64)
        steps = _medians(series[follows], distance, lines)
    cadence[~several] = steps[~several] / 1000
    return cadence


def _medians(series: Ints, values: Floats, lines: int) -> Floats:
    """Per series, of the sorted values the one in the middle; NaN where there are none."""
    ordered = values[np.lexsort((values, series))]
    bounds = np.searchsorted(series, np.arange(lines + 1))
    known = np.flatnonzero(np.diff(bounds))
    middle = np.full(lines, np.nan)
    middle[known] = ordered[(bounds[known] + bounds[known + 1] - 1) // 2]
    return middle


def _reduce(pieces: _Pieces, cadence: Floats, lines: int, buckets: Buckets) -> Matrix:
    matrix = Matrix.empty(lines, buckets.count)
    matrix.cadence_s[:] = cadence
    place = (pieces.at_ms - buckets.start_ms) // buckets.step_ms
    inside = np.flatnonzero((place >= 0) & (place < buckets.count))
    if inside.size:
        key = pieces.series[inside] * buckets.count + place[inside]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        at = key[starts]
        weight = np.add.reduceat(pieces.weight[inside], starts)
        matrix.average.reshape(-1)[at] = np.add.reduceat(pieces.total[inside], starts) / weight
        matrix.minimum.reshape(-1)[at] = np.minimum.reduceat(pieces.minimum[inside], starts)
        matrix.maximum.reshape(-1)[at] = np.maximum.reduceat(pieces.maximum[inside], starts)
        matrix.counts.reshape(-1)[at] = np.add.reduceat(pieces.counts[inside], starts)
    _hold(matrix, pieces, cadence, buckets)
    return matrix


def _hold(matrix: Matrix, pieces: _Pieces, cadence: Floats, buckets: Buckets) -> None:
    """Fill buckets that lie wholly within the time for which the reading before them holds."""
    if not pieces.series.size:
        return
    holds_ms = np.nan_to_num(cadence) * 1000 * HOLD_CADENCES
    candidates = (matrix.counts == 0) & (holds_ms[:, None] >= buckets.step_ms)
    lines, columns = np.nonzero(candidates)
    if not lines.size:
        return
    # One sorted key of series and time finds the piece before each empty bucket.
    wide = np.int64(1) << np.int64(43)
    begin = buckets.start_ms + columns * buckets.step_ms
    before = np.searchsorted(pieces.series * wide + pieces.at_ms, lines * wide + begin) - 1
    right = before >= 0
    lines, columns, begin, before = lines[right], columns[right], begin[right], before[right]
    until = pieces.until_ms[before] + holds_ms[lines]
    held = (pieces.series[before] == lines) & (begin + buckets.step_ms <= until)
    lines, columns, before = lines[held], columns[held], before[held]
    average = pieces.total[before] / pieces.weight[before]
    for figures in (matrix.minimum, matrix.average, matrix.maximum):
        figures[lines, columns] = average
