"""The measurements of `bench.history`, inside the process that has the database."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import psutil

AT = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
"""The moment of all questions; `--at`."""
CLUSTER = 1
OTHER_CLUSTER = 2
CPU = "system.cpu_usage_pct"
VALUES = 10
REPEATS = 11


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All figures, in the order in which the database fills."""
    import django

    global AT
    AT = given.at
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    parts = given.parts.split(",")
    result: dict[str, Any] = {}
    for name, part in PARTS.items():
        if name not in parts:
            continue
        _say(name)
        began = time.monotonic()
        part(given, result)
        result[f"{name}_s"] = time.monotonic() - began
        if name in LOADING:
            result["database_mb"] = _size() / 2**20
            result["rows"] = _rows()
    connection.close()
    return result


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _size() -> int:
    """Bytes of the database on disk: only what is in use."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            pages = [
                cursor.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            ]
            return int((pages[0] - pages[1]) * pages[2])
        cursor.execute("VACUUM")
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _samples(given: argparse.Namespace, result: dict[str, Any]) -> None:
    """RAW_HOURS closed hours, minute by minute; then merged."""
    from apps.history.services import history_merge, samples_store
    from bench.history_load import MOVING, minute_batches

    last = int(AT.timestamp()) // 3600 - 1
    first = last - given.raw_hours
    before = _size()
    took = []
    for minute in range(first * 60, last * 60):
        batches = minute_batches(given.nodes, minute)
        began = time.process_time()
        samples_store(cluster_key=CLUSTER, batches=batches, at=AT)
        took.append(time.process_time() - began)
    values = given.nodes * given.raw_hours * 3600 * VALUES
    result["store_minute_cpu_s"] = median(took)
    size = _size() - before
    result["minute_payload_per_value"] = _payload() / values
    result["minute_bytes_per_value"] = size / values
    result["minute_bytes_per_moving_value"] = size / values * VALUES / MOVING
    _say("merging")
    began = time.process_time()
    while history_merge(at=AT + timedelta(hours=2), limit=5000):
        pass
    result["merge_hour_cpu_s"] = (time.process_time() - began) / given.raw_hours
    _compact()
    size = _size() - before
    result["merged_payload_per_value"] = _payload() / values
    result["merged_bytes_per_value"] = size / values
    result["merged_bytes_per_moving_value"] = size / values * VALUES / MOVING


def _payload() -> int:
    """Bytes of the blocks, without rows, indexes and pages."""
    from apps.history.models import StorageTally
    from apps.history.tally import ROW_BYTES

    tallies = StorageTally.objects.values_list("rows", "bytes")
    return sum(size - rows * ROW_BYTES for rows, size in tallies)


def _compact() -> None:
    """Give back what the minute rows held, so that the size is that of the rest."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM" if connection.vendor == "sqlite" else "VACUUM FULL")


def _ready(given: argparse.Namespace, result: dict[str, Any]) -> None:
    """The days before as hours of minutes, hours and days."""
    from apps.history.aggregates.rows import row_pack
    from apps.history.aggregates.stats import stats_combine
    from apps.history.models import DayAggregate, HourAggregate, HourMinutes, Series
    from apps.history.tables import rows_insert, writing
    from bench.history_load import METRICS, ready_hours

    del result
    series = list(
        Series.objects.filter(cluster_key=CLUSTER, kind="system")
        .order_by("id")
        .values_list("id", flat=True)
    )
    end = int(AT.timestamp()) // 3600 - 1 - given.raw_hours
    end_day = end // 24
    there = set(DayAggregate.objects.values_list("day", flat=True).distinct())
    missing = [day for day in range(end_day, end_day - given.days - 1, -1) if day not in there]
    # The last day has a row already, from merging the hours of samples.
    whole = HourMinutes.objects.filter(hour__lt=end, hour__gte=end_day * 24).exists()
    days = missing if whole or not given.days else [end_day, *missing]
    for day in days[: given.days_at_once or None]:
        hours = range(day * 24, min(day * 24 + 24, end))
        ready = [list(ready_hours(given.patterns, hour)) for hour in hours]
        with writing():
            for hour, patterns in zip(hours, ready, strict=True):
                of = [patterns[place % given.patterns] for place in range(len(series))]
                rows_insert(
                    HourMinutes, [(one, hour, of[i].minutes) for i, one in enumerate(series)]
                )
                rows_insert(
                    HourAggregate,
                    [(one, hour, 3600, of[i].aggregates) for i, one in enumerate(series)],
                )
            if day == end_day:
                continue  # merging the hours of samples has made this day's row
            packed = [
                row_pack(
                    stats_combine([hour[pattern].stats for hour in ready], METRICS),
                    METRICS,
                    count=86_400,
                    start_ms=day * 86_400_000,
                )
                for pattern in range(given.patterns)
            ]
            rows_insert(
                DayAggregate,
                [(one, day, 86_400, packed[i % given.patterns]) for i, one in enumerate(series)],
            )


def _last_hour(given: argparse.Namespace, result: dict[str, Any]) -> None:
    """Minutes that are not merged yet: the hour before, and half of the present one."""
    from django.db import connection

    from apps.history.services import samples_store
    from bench.history_load import minute_batches

    del result
    now = int(AT.timestamp()) // 60
    for minute in range(now // 60 * 60 - 60, now):
        samples_store(cluster_key=CLUSTER, batches=minute_batches(given.nodes, minute), at=AT)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _queries(given: argparse.Namespace, result: dict[str, Any]) -> None:
    from apps.history.selectors import fleet_aggregate, heatmap, series_read, top_subjects
    from apps.history.types import SubjectRef

    whole_hour = AT.replace(minute=0)
    day, hour = timedelta(days=1), timedelta(hours=1)

    def node(length: timedelta, step_s: int) -> Callable[[int], Any]:
        return lambda turn: series_read(
            cluster_key=CLUSTER,
            subjects=[SubjectRef("node", str(turn * 37 % given.nodes))],
            metrics=[CPU],
            start=AT - length,
            end=AT,
            step_s=step_s,
            at=AT,
        )

    def fleet_heatmap(start: datetime, length: timedelta) -> Callable[[int], Any]:
        return lambda _: heatmap(
            cluster_key=CLUSTER, metric=CPU, start=start, end=start + length, at=AT
        )

    merged = whole_hour - timedelta(hours=9)
    asked: dict[str, Callable[[int], Any]] = {
        "node_day_ms": node(day, 60),
        "node_month_ms": node(day * given.days, 3600),
        "raw_hour_ms": node(hour, 10),
        "heatmap_hour_ms": fleet_heatmap(AT - hour, hour),
        "heatmap_merged_hour_ms": fleet_heatmap(merged, hour),
        "heatmap_day_ms": fleet_heatmap(AT - day, day),
        "fleet_day_ms": lambda _: fleet_aggregate(
            cluster_key=CLUSTER,
            subjects=None,
            metrics=[CPU],
            start=AT - day,
            end=AT,
            step_s=3600,
            at=AT,
        ),
        "top_day_ms": lambda _: top_subjects(
            cluster_key=CLUSTER, metric=CPU, start=AT - day, end=AT, at=AT
        ),
    }
    for name, ask in asked.items():
        result[name], result[name.replace("_ms", "_cpu_ms")] = _median_ms(ask)


def _median_ms(ask: Callable[[int], Any]) -> tuple[float, float]:
    """CPU and waiting together, the first call left out: the median; and the least CPU time,
    the database's included, which does not depend on what else the machine does."""
    took, cpu = [], []
    for turn in range(REPEATS + 1):
        began, cpu_began = time.perf_counter(), _cpu_s()
        ask(turn)
        took.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (_cpu_s() - cpu_began))
    return median(took[1:]), min(cpu[1:])


def _cpu_s() -> float:
    """CPU time of this process and of the database's for this connection, where it is ours to
    see (a PostgreSQL on this machine)."""
    return time.process_time() + sum(_run_s(pid) for pid in _backends())


@cache
def _backends() -> tuple[int, ...]:
    from django.db import connection

    if connection.vendor != "postgresql":
        return ()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return (int(cursor.fetchone()[0]),)


def _run_s(pid: int) -> float:
    """How long the process has run on a CPU (Linux); 0 where it is on another machine."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:
        return 0.0


def _memory(given: argparse.Namespace, result: dict[str, Any]) -> None:
    """A day of some nodes through storing and merging, in another cluster's rows."""
    from apps.history.services import history_merge, samples_store
    from bench.history_load import minute_batches

    process = psutil.Process()
    first = int(AT.timestamp()) // 60 + 1440 * 3
    for minute in range(first, first + 1440):
        batches = minute_batches(given.day_nodes, minute)
        samples_store(cluster_key=OTHER_CLUSTER, batches=batches, at=AT)
        if minute % 60 == 0:
            history_merge(at=datetime.fromtimestamp(minute * 60, UTC))
        if minute == first + 240:
            result["rss_begin_mb"] = process.memory_info().rss / 2**20
    result["rss_end_mb"] = process.memory_info().rss / 2**20


def _plain(given: argparse.Namespace, result: dict[str, Any]) -> None:
    """The same samples as one row a second with a column a metric."""
    from django.db import connection

    from bench.history_load import METRICS, figures

    names = ", ".join(f"{metric.name} double precision" for metric in METRICS)
    start = int(AT.timestamp()) - 86_400
    before = _size()
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE bench_plain (series integer, at_ms bigint, {names}, "
            "PRIMARY KEY (series, at_ms))"
        )
        marks = ", ".join(["%s"] * (2 + len(METRICS)))
        for hour in range(24):
            found = figures(given.plain_nodes, start + hour * 3600, 3600, hour).steps
            rows: list[tuple[Any, ...]] = []
            for node in range(given.plain_nodes):
                columns = [(found[m.name][node] / m.scale).tolist() for m in METRICS]
                times = range(
                    (start + hour * 3600) * 1000, (start + hour * 3600 + 3600) * 1000, 1000
                )
                rows += [(node, at, *values) for at, *values in zip(times, *columns, strict=True)]
            if connection.vendor == "postgresql":
                with cursor.copy("COPY bench_plain FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            else:
                cursor.executemany(
                    f"INSERT INTO bench_plain VALUES ({marks})",  # noqa: S608
                    rows,
                )
        values = given.plain_nodes * 86_400 * VALUES
        result["plain_bytes_per_value"] = (_size() - before) / values
        ask = (
            "SELECT at_ms / 60000, MIN(cpu_usage_pct), AVG(cpu_usage_pct), MAX(cpu_usage_pct) "
            "FROM bench_plain WHERE series = %s AND at_ms >= %s GROUP BY 1 ORDER BY 1"
        )
        result["plain_node_day_ms"], result["plain_node_day_cpu_ms"] = _median_ms(
            lambda turn: (
                cursor.execute(ask, [turn % given.plain_nodes, start * 1000]).fetchall()
                if connection.vendor == "sqlite"
                else (
                    cursor.execute(ask, [turn % given.plain_nodes, start * 1000]),
                    cursor.fetchall(),
                )
            )
        )


def _rows() -> dict[str, int]:
    from apps.history.models import DayAggregate, HourAggregate, HourMinutes, HourRaw, MinuteBlock

    tables = (MinuteBlock, HourRaw, HourMinutes, HourAggregate, DayAggregate)
    return {table.__name__: table.objects.count() for table in tables}


PARTS: dict[str, Callable[[argparse.Namespace, dict[str, Any]], None]] = {
    "samples": _samples,
    "ready": _ready,
    "recent": _last_hour,
    "queries": _queries,
    "memory": _memory,
    "plain": _plain,
}
LOADING = ("samples", "ready", "recent")
