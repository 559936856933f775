"""The last minutes of CPU and RAM as two lines of an SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TREND_S = 900
BUCKET_S = 5
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Paths in a view box of `TREND_S` × 100, newest sample at the right edge."""

    cpu_path: str
    ram_path: str
    cpu_max_pct: float | None
    covered_s: int


def trend_of(entries: Iterable[Mapping[str, Any]]) -> Trend | None:
    """From contract Entries, oldest first; ``None`` when there are too few to draw.

    Of each five seconds the highest value counts, so that a short peak stays visible.
    """
    listed = list(entries)
    if len(listed) < 2:
        return None
    newest_ns = max(entry["wall_time_ns"] for entry in listed)
    cpu: dict[int, float] = {}
    ram: dict[int, float] = {}
    for entry in listed:
        back_s = (newest_ns - entry["wall_time_ns"]) / NS_PER_S
        if back_s > TREND_S:
            continue
        bucket = int((TREND_S - back_s) // BUCKET_S)
        _raise_to(cpu, bucket, entry["cpu_usage_pct"])
        _raise_to(ram, bucket, entry["ram_usage_pct"])
    first = min([*cpu, *ram], default=None)
    if first is None:
        return None
    return Trend(
        cpu_path=_path(cpu),
        ram_path=_path(ram),
        cpu_max_pct=max(cpu.values(), default=None),
        covered_s=TREND_S - first * BUCKET_S,
    )


def _raise_to(buckets: dict[int, float], bucket: int, value: float | None) -> None:
    if value is not None:
        buckets[bucket] = max(buckets.get(bucket, value), value)


def _path(buckets: Mapping[int, float]) -> str:
    """A line that breaks where samples are missing."""
    parts: list[str] = []
    previous: int | None = None
    for bucket in sorted(buckets):
        joined = previous is not None and bucket - previous <= 2
        height = 100 - min(100.0, max(0.0, buckets[bucket]))
        parts.append(f"{'L' if joined else 'M'}{bucket * BUCKET_S} {height:.1f}")
        previous = bucket
    return "".join(parts)
