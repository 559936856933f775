"""What will go when, from what is stored and how it grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connection

from apps.history.models import (
    DayAggregate,
    HourAggregate,
    HourMinutes,
    HourRaw,
    MinuteBlock,
    Series,
)
from apps.history.retention import EPOCH, Day, cuts, keep_days, sizes
from apps.history.types import Resolution, ResolutionPlan, RetentionLimits, RetentionPlan

GROWTH_DAYS = 7
FAR = timedelta(days=36_500)


def plan(at: datetime, limits: RetentionLimits) -> RetentionPlan:
    """See `selectors.retention_plan`."""
    stored = sizes()
    keep: Mapping[Resolution, int | None] = {Resolution.DAY: None, **keep_days(limits)}
    today = (at - EPOCH).days
    total = sum(size for days in stored.values() for _, size in days.values())
    growth = {one: _growth(days, today) for one, days in stored.items()}
    by_size = cuts(at, limits) if limits.max_bytes and total > limits.max_bytes else {}
    net = sum(
        growth[one] or 0.0 for one, days in stored.items() if not _is_full(days, keep[one], today)
    )
    full_at = None
    if limits.max_bytes and net > 0:
        wait = timedelta(days=max(limits.max_bytes - total, 0) / net)
        full_at = at + wait if wait < FAR else None
    lines = tuple(
        _line(one, stored[one], keep[one], growth[one], at, by_size.get(one), full_at)
        for one in Resolution
    )
    return RetentionPlan(
        at=at,
        limits=limits,
        resolutions=lines,
        total_bytes=total,
        bytes_per_day=_sum(growth.values()),
        database_bytes=database_bytes(),
        full_at=full_at,
        steady_bytes=None if _sum(growth.values()) is None else int(sum(map(_steady, lines))),
    )


def _growth(days: Mapping[Day, tuple[int, int]], today: Day) -> float | None:
    """Bytes a day: mean of the newest whole days that there are."""
    whole = [size for day, (_, size) in sorted(days.items()) if day < today][-GROWTH_DAYS:]
    return sum(whole) / len(whole) if whole else None


def _sum(growths: Iterable[float | None]) -> float | None:
    """Of what is known; ``None`` where nothing is."""
    known = [growth for growth in growths if growth is not None]
    return sum(known) if known else None


def _steady(line: ResolutionPlan) -> float:
    """Bytes that one resolution will come to."""
    if line.keep_days is None or line.bytes_per_day is None:
        return line.bytes
    return line.bytes_per_day * line.keep_days


def _is_full(days: Mapping[Day, tuple[int, int]], keep: int | None, today: Day) -> bool:
    """Does as much leave as comes?"""
    return keep is not None and bool(days) and min(days) <= today - keep


def _line(
    resolution: Resolution,
    days: Mapping[Day, tuple[int, int]],
    keep: int | None,
    growth: float | None,
    at: datetime,
    size_cut_hour: int | None,
    full_at: datetime | None,
) -> ResolutionPlan:
    oldest = min(days, default=None)
    due, limited_by = None, ""
    if oldest is not None and keep is not None:
        due, limited_by = EPOCH + timedelta(days=oldest + keep), "days"
        sooner = full_at is not None and full_at < due and resolution is Resolution.RAW
        if size_cut_hour is not None and size_cut_hour > oldest * 24 and at < due:
            due, limited_by = at, "bytes"
        elif sooner and full_at is not None:
            due, limited_by = full_at, "bytes"
        due = max(due, at)
    return ResolutionPlan(
        resolution=resolution.value,
        keep_days=keep,
        rows=sum(rows for rows, _ in days.values()),
        bytes=sum(size for _, size in days.values()),
        oldest_at=None if oldest is None else EPOCH + timedelta(days=oldest),
        bytes_per_day=growth,
        next_removal_at=due,
        next_removal_bytes=days[oldest][1] if oldest is not None and due is not None else 0,
        limited_by=limited_by,
    )


def database_bytes() -> int | None:
    """Size of the history's tables with their indexes (PostgreSQL) or of the file (SQLite);
    ``None`` where neither can be told."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            tables = (Series, MinuteBlock, HourRaw, HourMinutes, HourAggregate, DayAggregate)
            cursor.execute(
                "SELECT SUM(pg_total_relation_size(name::regclass)) "
                "FROM unnest(%s::text[]) AS name",
                [[table._meta.db_table for table in tables]],
            )
            return int(cursor.fetchone()[0])
        name = str(connection.settings_dict["NAME"])
        path = Path(name)
        if connection.vendor == "sqlite" and path.is_file():
            wal = path.with_name(path.name + "-wal")
            return path.stat().st_size + (wal.stat().st_size if wal.is_file() else 0)
    return None
