"""Throughput from counters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.collector.rates import Reading, devices_with_rates
from tests.factories import AT

UNKNOWN = (None, None, None, None)


def device(pool_id: str = "301.0", **counters: int | None) -> dict[str, Any]:
    return {
        "pool_id": pool_id,
        "total_bytes_read": 0,
        "total_bytes_written": 1000,
        "total_reads": 0,
        "total_writes": 10,
    } | counters


def rates(
    now: dict[str, Any],
    before: dict[str, Any] | None,
    *,
    span_s: float = 10,
    boots: tuple[int | None, int | None] = (7, 7),
) -> tuple[float | None, ...]:
    reading = None if before is None else Reading(AT, boots[0], (before,))
    at = AT + timedelta(seconds=span_s)
    (found,) = devices_with_rates([now], before=reading, at=at, boot=boots[1])
    assert now.items() <= found.items()
    return tuple(
        found[name]
        for name in ("read_bytes_per_s", "write_bytes_per_s", "reads_per_s", "writes_per_s")
    )


def test_the_difference_over_the_time() -> None:
    now = device(total_bytes_written=6000, total_writes=60, total_bytes_read=40, total_reads=20)
    assert rates(now, device()) == (4.0, 500.0, 2.0, 5.0)


def test_no_movement_is_zero_which_is_known() -> None:
    assert rates(device(), device()) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("now", "before", "span_s", "boots"),
    [
        (device(), None, 10, (7, 7)),
        (device(total_writes=90), device(), 10, (7, 8)),
        (device(total_writes=90), device(), 10, (None, 8)),
        (device(total_writes=90), device(), 0.1, (7, 7)),
        (device(total_writes=90), device(), -5, (7, 7)),
        (device(total_writes=9), device(), 10, (7, 7)),
        (device("302.0"), device("301.0"), 10, (7, 7)),
    ],
    ids=["first", "restarted", "boot unknown", "too close", "clock", "counter fell", "new device"],
)
def test_not_known(
    now: dict[str, Any],
    before: dict[str, Any] | None,
    span_s: float,
    boots: tuple[int | None, int | None],
) -> None:
    assert rates(now, before, span_s=span_s, boots=boots) == UNKNOWN


def test_one_counter_that_fell_makes_all_unknown() -> None:
    now = device(total_bytes_written=99_000, total_reads=0)
    assert rates(now, device(total_reads=5)) == UNKNOWN


def test_a_device_without_stats_has_no_rates() -> None:
    blank: dict[str, Any] = dict.fromkeys(
        ("total_bytes_read", "total_bytes_written", "total_reads", "total_writes")
    )
    assert rates(device() | blank, device()) == UNKNOWN
    assert rates(device(), device() | blank) == UNKNOWN
