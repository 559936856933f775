"""How figures are written."""

from __future__ import annotations

import math
from typing import Any

import pytest

from apps.common.templatetags import portal
from apps.nodes.trend import trend_of


@pytest.mark.parametrize(
    ("written", "value", "text"),
    [
        (portal.bytes_text, 0, "0 B"),
        (portal.bytes_text, 1023, "1023 B"),
        (portal.bytes_text, 67_108_864, "64.0 MiB"),
        (portal.bytes_text, 2**80, "1048576.0 EiB"),
        (portal.byte_rate, 1536.0, "1.5 KiB/s"),
        (portal.percent, 0, "0.0 %"),
        (portal.percent, 34.24, "34.2 %"),
        (portal.ratio, 0.1993, "19.9 %"),
        (portal.integer, 28_541, "28\u202f541"),
        (portal.integer, 0, "0"),
        (portal.duration_us, 25, "25 µs"),
        (portal.duration_us, 2098.15, "2.1 ms"),
        (portal.duration_us, 5_000_000, "5.0 s"),
        (portal.age, 0.9, "0 s"),
        (portal.age, 59.9, "59 s"),
        (portal.age, 61, "1 min"),
        (portal.age, 7500, "2 h 05 min"),
        (portal.age, 7200, "2 h"),
        (portal.age, 100 * 3600, "4 d 4 h"),
        (portal.skew, -0.25, "−0.2 s"),
        (portal.milliseconds, 0.0005, "0.5 ms"),
        (portal.bdev_type, 0, "file"),
        (portal.bdev_type, 6, "gcs"),
        (portal.bdev_type, 9, "type 9"),
        (portal.days_left, 1, "1 day"),
        (portal.days_left, 999_999, "no prediction"),
        (portal.id_ranges, [7, 0, 1, 2], "0–2, 7"),
        (portal.id_ranges, [], "—"),
    ],
)
def test_written(written: Any, value: Any, text: str) -> None:
    assert written(value) == text


@pytest.mark.parametrize(
    "written",
    [
        portal.bytes_text,
        portal.byte_rate,
        portal.percent,
        portal.ratio,
        portal.integer,
        portal.decimal,
        portal.per_second,
        portal.duration_us,
        portal.age,
        portal.skew,
        portal.milliseconds,
        portal.bdev_type,
        portal.known,
    ],
)
def test_unknown_is_a_dash_and_never_zero(written: Any) -> None:
    assert written(None) == "—"
    if written not in (portal.known, portal.bdev_type):
        assert written(math.nan) == "—"
        assert written("text") == "—"


def test_a_share_of_nothing_is_not_known() -> None:
    assert portal.share_pct(0, 0) is None
    assert portal.share_pct(None, 5) is None
    assert portal.share_pct(1, 4) == 25.0
    assert portal.missing_from(3, None) is None


def test_a_bar_says_when_it_is_nearly_full() -> None:
    assert "bar--hot" in portal.bar(95.0, "ram")
    assert "bar--warm" in portal.bar(80.0)
    assert "bar--none" in portal.bar(None)
    assert 'width="100.0"' in portal.bar(250.0)


def test_a_name_is_cut_and_isolated() -> None:
    assert portal.clip("node1") == "<bdi>node1</bdi>"
    assert portal.clip("a\x00<b>") == "<bdi>a\ufffd&lt;b&gt;</bdi>"
    long = portal.clip("x" * 10_000, 80)
    assert len(long) < 500
    assert "…</bdi>" in long


def entry(second: int, cpu: float | None) -> dict[str, Any]:
    return {"wall_time_ns": second * 10**9, "cpu_usage_pct": cpu, "ram_usage_pct": 10.0}


def test_a_peak_stays_visible_in_the_trend() -> None:
    trend = trend_of(
        [entry(second, 99.0 if second == 1002 else 5.0) for second in range(900, 1100)]
    )
    assert trend is not None
    assert trend.cpu_max_pct == 99.0
    assert " 1.0" in trend.cpu_path


def test_a_gap_breaks_the_line() -> None:
    seconds = [*range(100, 150), *range(400, 450)]
    trend = trend_of([entry(second, 5.0) for second in seconds])
    assert trend is not None
    assert trend.cpu_path.count("M") == 2


def test_the_first_sample_after_a_boot_is_no_measurement() -> None:
    trend = trend_of([entry(1, None), entry(2, None)])
    assert trend is not None
    assert trend.cpu_max_pct is None
    assert trend.cpu_path == ""
    assert trend_of([entry(1, 3.0)]) is None
