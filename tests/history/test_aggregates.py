"""Statistics come back from bytes, and are those of the plain values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.history.aggregates.hours import MinuteStats, hour_pack, hour_rows
from apps.history.aggregates.rows import RowGroups, row_pack, row_unpack
from apps.history.aggregates.stats import (
    CounterStat,
    GaugeStat,
    Stat,
    stats_combine,
    stats_compute,
)
from apps.history.codec.blocks import Samples
from apps.history.codec.columns import Column, column_of
from apps.history.errors import BlockBroken
from apps.history.metrics import KINDS

METRICS = KINDS["block_device"]
GAUGES = [place for place, metric in enumerate(METRICS) if metric.type == "gauge"]
START = 1_800_000_000_000 // 3_600_000 * 3_600_000
FIGURE = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 300),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
VALUE = st.one_of(st.none(), FIGURE, st.sampled_from([math.nan, math.inf]))


def samples_of(values: list[Any], place: int) -> Samples:
    columns: list[Column | None] = [None] * len(METRICS)
    columns[place] = column_of(values, METRICS[place].scale)
    times = START + np.arange(len(values), dtype=np.int64) * 500
    return Samples(times, None, None, tuple(columns))


@settings(deadline=None)
@given(st.lists(VALUE, min_size=1, max_size=60), st.sampled_from(GAUGES))
def test_a_gauge_is_count_minimum_maximum_last_and_total(values: list[Any], place: int) -> None:
    scale = METRICS[place].scale
    (stats,) = stats_compute([samples_of(values, place)], METRICS)
    figures = [v for v in values if v is not None and math.isfinite(v)]
    stat = stats[place]
    if not figures:
        assert stat is None
        return
    assert isinstance(stat, GaugeStat)
    step = scale if stat.in_steps else 1
    near = 0.51 / scale if scale > 1 else 0
    assert stat.samples == len(figures)
    assert stat.minimum / step == pytest.approx(min(figures), abs=near, rel=1e-12)
    assert stat.maximum / step == pytest.approx(max(figures), abs=near, rel=1e-12)
    assert stat.last / step == pytest.approx(figures[-1], abs=near, rel=1e-12)
    size = sum(abs(figure) for figure in figures) + 1
    assert stat.total / step == pytest.approx(
        math.fsum(figures), abs=len(figures) * 0.51 / scale + size * 1e-12
    )


GAUGE_STAT = st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=70).map(
    lambda values: GaugeStat(len(values), min(values), max(values), values[-1], sum(values))
)
FLOAT_STAT = st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=70).map(
    lambda values: GaugeStat(len(values), min(values), max(values), values[-1], math.fsum(values))
)


def about(one: Stat, other: Stat, scale: int) -> bool:
    """Equal, or the float values of steps that were too large for their fields."""
    if not (isinstance(one, GaugeStat) and isinstance(other, GaugeStat)):
        return one == other
    if one.in_steps == other.in_steps:
        return one == other
    return other.samples == one.samples and all(
        math.isclose(mine / scale, yours, rel_tol=1e-9, abs_tol=1e-9)
        for mine, yours in zip(one[1:], other[1:], strict=True)
    )


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), GAUGE_STAT, FLOAT_STAT), min_size=8, max_size=8),
    st.integers(1, 80),
)
def test_rows_come_back(gauges: list[Any], count: int) -> None:
    stats = [*gauges, *[None] * (len(METRICS) - 8)]
    packed = row_pack(stats, METRICS, count=count, start_ms=START)
    back = row_unpack(packed, METRICS, count=count, start_ms=START)
    for one, other, metric in zip(stats, back, METRICS, strict=True):
        assert about(one, other, metric.scale), (one, other)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 59),
        st.lists(st.one_of(st.none(), GAUGE_STAT), min_size=8, max_size=8),
        min_size=1,
        max_size=20,
    )
)
def test_hours_come_back(minutes: dict[int, list[Any]]) -> None:
    counter = CounterStat(2**63, 2**63 + 5, 5, 50_000, START, START + 50_000, 7, 7, 5, 0.0, 0.5)
    rows = [
        MinuteStats(
            minute,
            30,
            (
                *stats,
                None,
                counter._replace(
                    first_ms=START + minute * 60_000, last_ms=START + minute * 60_000 + 50_000
                ),
                None,
                None,
            ),
        )
        for minute, stats in sorted(minutes.items())
    ]
    back = hour_rows(hour_pack(rows, METRICS, start_ms=START), METRICS, start_ms=START)
    assert [(row.minute, row.count) for row in back] == [(row.minute, row.count) for row in rows]
    for one, other in zip(rows, back, strict=True):
        for mine, yours, metric in zip(one.stats, other.stats, METRICS, strict=True):
            assert about(mine, yours, metric.scale), (mine, yours)


def test_many_rows_are_read_as_each_alone() -> None:
    rows, counts = [], []
    for number in range(200):
        values: list[Any] = [None if n % 7 == number % 9 else n * number for n in range(20)]
        (stats,) = stats_compute([samples_of(values, 0)], METRICS)
        rows.append(row_pack(stats, METRICS, count=20, start_ms=START))
        counts.append(20)
    table = RowGroups(rows, counts, np.full(200, START, np.int64)).gauges(0, 1)
    for number, row in enumerate(rows):
        stat = row_unpack(row, METRICS, count=20, start_ms=START)[0]
        assert isinstance(stat, GaugeStat)
        assert (table.samples[number], table.total[number]) == (stat.samples, stat.total)
        assert (table.minimum[number], table.maximum[number]) == (stat.minimum, stat.maximum)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 10**12), min_size=1, max_size=9), min_size=1, max_size=9))
def test_statistics_of_parts_combine_to_those_of_all(parts: list[list[int]]) -> None:
    rows = stats_compute([samples_of(part, 0) for part in parts], METRICS)
    together = [value for part in parts for value in part]
    (whole,) = stats_compute([samples_of(together, 0)], METRICS)
    assert stats_combine(rows, METRICS)[0] == whole[0]


def test_a_row_from_before_a_metric_was_added_has_none_of_it() -> None:
    (stats,) = stats_compute([samples_of([1, 2, 3], 0)], METRICS)
    old = row_pack(stats[:3], METRICS[:3], count=3, start_ms=START)
    assert row_unpack(old, METRICS, count=3, start_ms=START) == tuple(stats)
    table = RowGroups([old], [3], np.array([START])).gauges(5, 1)
    assert table.samples.tolist() == [0]


@settings(deadline=None)
@given(st.binary(max_size=50))
def test_damaged_rows_are_named(damage: bytes) -> None:
    (stats,) = stats_compute([samples_of([1, 2, 900], 0)], METRICS)
    good = row_pack(stats, METRICS, count=3, start_ms=START)
    hour = hour_pack([MinuteStats(0, 3, stats)], METRICS, start_ms=START)
    for data in (damage, good[: len(damage)] + damage):
        try:
            row_unpack(data, METRICS, count=3, start_ms=START)
        except BlockBroken:
            continue
    for data in (damage, hour[: len(damage)] + damage):
        try:
            hour_rows(data, METRICS, start_ms=START)
        except BlockBroken:
            continue
