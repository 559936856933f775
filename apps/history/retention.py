"""What is too old, or too much, and removing it in small steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Model

from apps.history.models import (
    HourAggregate,
    HourMinutes,
    HourRaw,
    RetentionFloor,
    StorageTally,
)
from apps.history.tables import rows_delete, writing
from apps.history.tally import Tally
from apps.history.types import Removed, Resolution, RetentionLimits

HOURS_AT_ONCE = 24

TABLES: dict[Resolution, tuple[type[Model], str]] = {
    Resolution.RAW: (HourRaw, "block"),
    Resolution.MINUTE: (HourMinutes, "block"),
    Resolution.HOUR: (HourAggregate, "aggregates"),
}
"""In the order in which size takes them: the finest leaves first. Days stay for ever."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Day = int
Sizes = Mapping[Resolution, Mapping[Day, tuple[int, int]]]
"""Resolution → UTC day → rows, bytes."""


def sizes() -> Sizes:
    """What is stored."""
    out: dict[Resolution, dict[Day, tuple[int, int]]] = {one: {} for one in Resolution}
    for resolution, day, rows, size in StorageTally.objects.values_list(
        "resolution", "day", "rows", "bytes"
    ):
        if rows > 0 or size > 0:
            out[Resolution(resolution)][day] = (rows, size)
    return out


def keep_days(limits: RetentionLimits) -> dict[Resolution, int]:
    return {
        Resolution.RAW: limits.raw_days,
        Resolution.MINUTE: limits.minutes_days,
        Resolution.HOUR: limits.hours_days,
    }


def cuts(at: datetime, limits: RetentionLimits) -> dict[Resolution, int]:
    """Resolution → the first hour that stays (hours since 1970)."""
    now = int((at - EPOCH).total_seconds()) // 3600
    # Never below the floor: a removal that has begun is finished, whatever became of its reason.
    floors = _floor_hours()
    found = {
        one: max(now - days * 24, floors.get(one, 0)) for one, days in keep_days(limits).items()
    }
    if limits.max_bytes:
        for resolution, hour in _size_cuts(found, limits.max_bytes, today=now // 24).items():
            found[resolution] = max(found[resolution], hour)
    return found


def _floor_hours() -> dict[Resolution, int]:
    return {
        Resolution(one): int((before - EPOCH).total_seconds()) // 3600
        for one, before in RetentionFloor.objects.values_list("resolution", "before")
    }


def _size_cuts(
    first_hours: Mapping[Resolution, int], most: int, *, today: Day
) -> dict[Resolution, int]:
    """Days that must go, oldest first, the finest resolution first, until the rest fits.

    The present day stays: what has just been measured is never taken by its own size.
    """
    stored = sizes()
    total = sum(size for days in stored.values() for _, size in days.values())
    found: dict[Resolution, int] = {}
    for resolution in TABLES:
        leaving = first_hours[resolution] // 24
        for day, (_, size) in sorted(stored[resolution].items()):
            if day < leaving:
                total -= size
            elif day < today and total > most:
                total -= size
                found[resolution] = (day + 1) * 24
    return found


def apply(at: datetime, limits: RetentionLimits, step: int) -> Removed:
    """See `services.retention_apply`."""
    rows: dict[str, int] = {}
    with writing():
        first_hours = cuts(at, limits)
        tally = Tally()
        for resolution, hour in first_hours.items():
            _floor_raise(resolution, EPOCH + timedelta(hours=hour))
            due = _due(resolution, hour, first_hours[Resolution.HOUR])
            if due:
                removed, size = _remove(resolution, due, tally, step=step)
                tally.write()
                return Removed({resolution.value: removed}, size, done=False)
    return Removed(rows, 0, done=True)


def _floor_raise(resolution: Resolution, before: datetime) -> None:
    changed = RetentionFloor.objects.filter(pk=resolution.value, before__lt=before).update(
        before=before
    )
    if not changed:
        RetentionFloor.objects.get_or_create(
            resolution=resolution.value, defaults={"before": before}
        )


def _due(resolution: Resolution, hour: int, states_hour: int) -> list[tuple[int, int, int]]:
    """Series with anything to go: id, its oldest hour, up to which hour.

    Changes of state are few, and have no use but as they are: they stay as long as hours do.
    """
    table, _ = TABLES[resolution]
    name = table._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, kind, oldest FROM (SELECT s.id AS id, s.kind AS kind, "  # noqa: S608
            f"(SELECT MIN(t.hour) FROM {name} t WHERE t.series_id = s.id) AS oldest "
            f"FROM history_series s) AS first_hours WHERE oldest < %s ORDER BY oldest, id",
            [hour],
        )
        found = [
            (series, oldest, min(hour, states_hour) if kind == "state" else hour)
            for series, kind, oldest in cursor.fetchall()
        ]
    return [(series, oldest, end) for series, oldest, end in found if oldest < end]


def _remove(
    resolution: Resolution, due: list[tuple[int, int, int]], tally: Tally, *, step: int
) -> tuple[int, int]:
    """Up to a day of each of some series → rows and bytes."""
    table, column = TABLES[resolution]
    some = due[: max(1, step // HOURS_AT_ONCE)]
    keys = [(one, oldest, min(end, oldest + HOURS_AT_ONCE)) for one, oldest, end in some]
    rows = size = 0
    by_range: dict[tuple[int, int], list[int]] = defaultdict(list)
    for one, oldest, end in keys:
        by_range[oldest, end].append(one)
    for (oldest, end), series in by_range.items():
        for day, count, payload in _sizes_of(table, column, series, oldest, end):
            tally.add(resolution, day, -payload, rows=-count)
            rows, size = rows + count, size + payload
    rows_delete(table, keys)
    return rows, size


def _sizes_of(
    table: type[Model], column: str, series: list[int], start: int, end: int
) -> list[tuple[int, int, int]]:
    """Day, rows, bytes of these series' rows."""
    marks = ", ".join(["%s"] * len(series))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT hour / 24, COUNT(*), SUM(LENGTH({column})) "  # noqa: S608
            f"FROM {table._meta.db_table} WHERE series_id IN ({marks}) "
            "AND hour >= %s AND hour < %s GROUP BY 1",
            [*series, start, end],
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return [(int(day), int(count), int(size)) for day, count, size in found]
