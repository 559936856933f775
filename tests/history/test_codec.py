"""Whatever goes into a block comes out: exactly, or within the stated resolution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apps.history.codec.blocks import Samples, block_unpack, blocks_pack
from apps.history.codec.columns import Column, column_of, column_values, columns_join
from apps.history.codec.streams import rows_pack, rows_unpack
from apps.history.codec.varint import ByteReader, signed_varint, varint
from apps.history.errors import BlockBroken, SamplesWrong
from apps.history.metrics import KINDS, RATIOS

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
COUNTER = st.integers(0, 2**64 - 1)
ANY_INT = st.integers(-(2**70), 2**70)
EDGE = st.sampled_from([0, 1, -1, 2**31, 2**53, 2**63 - 1, -(2**63), 2**63, 2**64 - 1])
VALUE = st.one_of(st.none(), COUNTER, ANY_INT, EDGE, ANY_FLOAT, st.booleans())


def same(before: Any, after: Any, scale: int) -> bool:
    """Exactly the same; a float of a scaled metric within half a step."""
    if before is None or after is None:
        return bool(before is after)
    if isinstance(before, float) and math.isnan(before):
        return isinstance(after, float) and math.isnan(after)
    if scale == 1 or isinstance(before, int) or math.isinf(before):
        return bool(before == after)
    return bool(abs(before - after) <= 0.5 / scale + abs(before) * 2**-52)


def through(values: list[Any], scale: int, times: list[int] | None = None) -> list[Any]:
    column = column_of(values, scale)
    at = np.array(times if times is not None else range(len(values)), np.int64)
    block = Samples(at, None, None, (column, None))
    back = block_unpack(blocks_pack([block])[0])
    assert back.times_ms.tolist() == at.tolist()
    assert back.columns[1] is None
    return column_values(back.columns[0], back.count, scale)


@settings(deadline=None)
@given(st.lists(VALUE, min_size=1, max_size=150), st.sampled_from([1, 100]))
@example([2**63, -1], 1)
@example([math.nan, None, 1.5], 100)
@example([10**400], 100)
@example([0.005, 0.015, -0.0], 100)
def test_any_series_of_any_values_comes_back(values: list[Any], scale: int) -> None:
    back = through(values, scale)
    assert len(back) == len(values)
    for before, after in zip(values, back, strict=True):
        assert same(before, after, scale), (before, after)


@settings(deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=200))
def test_stored_floats_come_back_as_the_nearest_step_and_stay_there(values: list[float]) -> None:
    once = through(values, 100)
    assert through(once, 100) == once


@settings(deadline=None)
@given(st.lists(COUNTER, min_size=1, max_size=80), st.integers(1, 2**40))
def test_counters_of_any_size_come_back(values: list[int], factor: int) -> None:
    multiples = [value // factor * factor for value in values]
    assert through(values, 1) == values
    assert through(multiples, 1) == multiples


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=100))
def test_times_in_any_order_come_back(times: list[int]) -> None:
    through([1] * len(times), 1, times=times)


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 2**50), st.integers(0, 199), st.integers(0, 2**62))
def test_rare_steps_come_back(length: int, base: int, place: int, jump: int) -> None:
    values = [base] * length
    values[place % length :] = [base + jump] * (length - place % length)
    assert through(values, 1) == values


@settings(deadline=None)
@given(
    st.integers(1, 40).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(-(2**63), 2**63 - 1), min_size=n, max_size=n),
            min_size=1,
            max_size=8,
        )
    )
)
def test_rows_packed_together_come_back_each(rows: list[list[int]]) -> None:
    matrix = np.array(rows, np.int64)
    together = rows_pack(matrix, signed=True)
    back = rows_unpack(together, matrix.shape[1])
    for row, packed, after in zip(matrix, together, back, strict=True):
        assert after.view(np.int64).tolist() == row.tolist()
        assert rows_pack(row[None, :], signed=True) == [packed]


@settings(deadline=None)
@given(
    st.lists(st.lists(VALUE, min_size=1, max_size=12), min_size=1, max_size=4),
    st.sampled_from([1, 100]),
)
def test_columns_joined_are_the_column_of_all(parts: list[list[Any]], scale: int) -> None:
    joined = columns_join(
        [column_of(part, scale) for part in parts], [len(part) for part in parts], scale
    )
    whole = column_of([value for part in parts for value in part], scale)
    count = sum(map(len, parts))
    for one, other in zip(
        column_values(joined, count, scale), column_values(whole, count, scale), strict=True
    ):
        assert same(one, other, 1), (one, other)


@settings(deadline=None)
@given(st.integers(-(2**64), 2**64))
def test_varints_come_back(number: int) -> None:
    assert ByteReader(signed_varint(number)).signed_varint() == number
    assert ByteReader(varint(abs(number))).varint() == abs(number)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_damaged_bytes_are_named_and_never_hang(damage: bytes) -> None:
    block = Samples(
        np.arange(30, dtype=np.int64) * 1001,
        Column(np.arange(30, dtype=np.int64)),
        None,
        (column_of([1.5, None, math.nan] * 10, 100), column_of([7, 9, 2**60] * 10, 1)),
    )
    good = blocks_pack([block])[0]
    parts = system_block(
        9,
        ram_usage_pct=[50.0] * 9,
        ram_available_bytes=list(range(50, 59)),
        ram_total_bytes=[100] * 9,
    )
    ratio = blocks_pack([parts], [RATIOS["system"]])[0]
    for data in (
        ratio[: len(damage)] + damage,
        damage + ratio[len(damage) :],
        damage,
        good[: len(damage)],
        good[: len(damage)] + damage,
    ):
        try:
            block_unpack(data)
        except BlockBroken:
            continue


PLACES = {metric.name: place for place, metric in enumerate(KINDS["system"])}
BYTES = st.integers(0, 2**50)


def system_block(count: int, **columns: list[Any]) -> Samples:
    scales = {metric.name: metric.scale for metric in KINDS["system"]}
    return Samples(
        np.arange(count, dtype=np.int64) * 1000,
        None,
        None,
        tuple(
            column_of(columns[name], scales[name]) if name in columns else None for name in PLACES
        ),
    )


@settings(deadline=None)
@given(
    st.lists(st.tuples(BYTES, BYTES, st.integers(-300, 300)), min_size=1, max_size=70),
    st.booleans(),
    st.integers(0, 3),
)
@example([(0, 0, 0)], True, 0)
def test_percentages_come_back_whatever_their_parts_say(
    rows: list[tuple[int, int, int]], holds: bool, off: int
) -> None:
    """Those that follow from their parts, nearly do, or do not; also of nothing at all."""
    free = [min(one, other) for one, other, _ in rows]
    whole = [max(one, other) for one, other, _ in rows]
    pct = [
        round((1 - part / all_) * 100, 2) + step * off / 100 if holds and all_ else float(step)
        for part, all_, (_, _, step) in zip(free, whole, rows, strict=True)
    ]
    block = system_block(
        len(rows), ram_usage_pct=pct, ram_available_bytes=free, ram_total_bytes=whole
    )
    packed = blocks_pack([block, block], [RATIOS["system"], ()])
    for data in packed:
        back = block_unpack(data)
        for before, after in zip(block.columns, back.columns, strict=True):
            assert column_values(before, len(rows), 100) == column_values(after, len(rows), 100)
        (alone,) = [
            column
            for column in block_unpack(data, places=[PLACES["ram_usage_pct"]]).columns
            if column is not None
        ]
        assert column_values(alone, len(rows), 100) == column_values(
            block.columns[PLACES["ram_usage_pct"]], len(rows), 100
        )


def test_a_percentage_that_follows_from_its_parts_costs_next_to_nothing() -> None:
    rng = np.random.default_rng(7)
    free = rng.integers(10**9, 10**11, 3600)
    block = system_block(
        3600,
        ram_usage_pct=((1 - free / 2**37) * 100).tolist(),
        ram_available_bytes=free.tolist(),
        ram_total_bytes=[2**37] * 3600,
    )
    by_parts, by_itself = blocks_pack([block, block], [RATIOS["system"], ()])
    without = blocks_pack([system_block(3600, ram_available_bytes=free.tolist())])[0]
    assert len(by_parts) < len(without) + 30
    assert len(by_itself) > len(by_parts) + 4000


def test_only_the_wanted_columns_are_unpacked() -> None:
    block = Samples(
        np.arange(5, dtype=np.int64),
        Column(np.arange(5, dtype=np.int64)),
        Column(np.full(5, -7, np.int64)),
        (column_of([1, 5, 2, 8, 3], 1), column_of([9, 1, 7, 2, 6], 1)),
    )
    back = block_unpack(blocks_pack([block])[0], places=[1], ids=False)
    assert back.event_ids is None
    assert back.boots is None
    assert back.columns[0] is None
    assert column_values(back.columns[1], 5, 1) == [9, 1, 7, 2, 6]


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(SamplesWrong, match="is no number"):
        column_of([1, "2"], 1)
    with pytest.raises(SamplesWrong):
        column_of([[1], [2]], 1)


def test_what_stands_still_or_is_not_known_costs_next_to_nothing() -> None:
    times = np.arange(3600, dtype=np.int64) * 1000
    still = Samples(times, None, None, (Column(np.full(3600, 10**12, np.int64)),) + (None,) * 9)
    assert len(blocks_pack([still])[0]) < 40
