"""Merging the minutes of an hour into one, and taking it apart again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.history.aggregates.hours import MinuteStats, hour_pack, hour_rows
from apps.history.aggregates.rows import row_pack, row_unpack
from apps.history.aggregates.stats import stats_combine
from apps.history.codec.blocks import Samples, block_unpack, blocks_pack, blocks_unpack
from apps.history.metrics import KINDS, RATIOS, Metric
from apps.history.models import DayAggregate, HourAggregate, HourMinutes, HourRaw, MinuteBlock
from apps.history.samples import samples_as_known, samples_by_minute, samples_join
from apps.history.tables import rows_delete, rows_insert, rows_select
from apps.history.tally import Tally
from apps.history.types import Resolution

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000

HourName = tuple[int, int, str]
"""Series, hour, kind."""


def hours_merge(names: Sequence[HourName], tally: Tally) -> int:
    """Pack the minute rows of these hours → how many hours had any. Hours already merged have
    no minute rows; nothing happens to them."""
    found: dict[tuple[int, int], list[tuple[Any, ...]]] = {}
    by_hour: dict[int, list[int]] = defaultdict(list)
    kinds = {(one, hour): kind for one, hour, kind in names}
    for one, hour, _ in names:
        by_hour[hour].append(one)
    for hour, series in by_hour.items():
        columns = ("series_id", "minute", "count", "aggregates", "raw")
        for row in rows_select(MinuteBlock, columns, series, hour * 60, hour * 60 + 60):
            found.setdefault((row[0], hour), []).append(row)
    if not found:
        return 0
    raws = _samples_of(found, kinds)
    minutes, aggregates = [], []
    for (one, hour), rows in found.items():
        metrics = KINDS[kinds[one, hour]]
        stats = [_minute_stats(row, metrics) for row in rows]
        start_ms = hour * HOUR_MS
        packed = hour_pack(stats, metrics, start_ms=start_ms)
        minutes.append((one, hour, packed))
        tally.add(Resolution.MINUTE, hour // 24, len(packed))
        count = sum(row[2] for row in rows)
        whole = stats_combine([one_minute.stats for one_minute in stats], metrics)
        together = row_pack(whole, metrics, count=count, start_ms=start_ms)
        aggregates.append((one, hour, count, together))
        tally.add(Resolution.HOUR, hour // 24, len(together))
        for row in rows:
            tally.minute(row[1], -len(row[3]), -len(row[4] or b""), rows=-1)
    ratios = [RATIOS.get(kinds[one, hour], ()) for one, hour, _ in raws]
    packed_raws = blocks_pack([samples for _, _, samples in raws], ratios)
    for (_, hour, _), block in zip(raws, packed_raws, strict=True):
        tally.add(Resolution.RAW, hour // 24, len(block))
    rows_insert(
        HourRaw,
        [(one, hour, block) for (one, hour, _), block in zip(raws, packed_raws, strict=True)],
    )
    rows_insert(HourMinutes, minutes)
    rows_insert(HourAggregate, aggregates)
    rows_delete(MinuteBlock, [(one, hour * 60, hour * 60 + 60) for one, hour in found])
    days_make({(one, hour // 24, kinds[one, hour]) for one, hour in found}, tally)
    return len(found)


def _samples_of(
    found: Mapping[tuple[int, int], Sequence[tuple[Any, ...]]],
    kinds: Mapping[tuple[int, int], str],
) -> list[tuple[int, int, Samples]]:
    """Series, hour, and the samples of its minutes together."""
    blocks = [bytes(row[4]) for rows in found.values() for row in rows if row[4]]
    minutes = iter(blocks_unpack(blocks))  # in one go: a minute alone is mostly overhead
    out = []
    for (one, hour), rows in found.items():
        parts = [next(minutes) for row in rows if row[4]]
        if parts:
            out.append((one, hour, samples_join(parts, KINDS[kinds[one, hour]])))
    return out


def _minute_stats(row: tuple[Any, ...], metrics: Sequence[Metric]) -> MinuteStats:
    _, minute, count, aggregates, _ = row
    stats = row_unpack(bytes(aggregates), metrics, count=count, start_ms=minute * MINUTE_MS)
    return MinuteStats(minute % 60, count, stats)


def hours_reopen(names: Sequence[HourName], tally: Tally) -> None:
    """Bring back the minute rows of merged hours."""
    days = set()
    for one, hour, kind in names:
        metrics = KINDS[kind]
        start_ms = hour * HOUR_MS
        packed = rows_select(HourMinutes, ("block",), [one], hour, hour + 1)
        raw = rows_select(HourRaw, ("block",), [one], hour, hour + 1)
        samples: dict[int, Samples] = {}
        if raw:
            whole = samples_as_known(block_unpack(raw[0][0]), len(metrics))
            samples = samples_by_minute(whole)
            tally.add(Resolution.RAW, hour // 24, -len(raw[0][0]), rows=-1)
        ratios = [RATIOS.get(kind, ())] * len(samples)
        blocks = dict(zip(samples, blocks_pack(list(samples.values()), ratios), strict=True))
        rows = []
        stats = hour_rows(packed[0][0], metrics, start_ms=start_ms) if packed else []
        for each in stats:
            minute = hour * 60 + each.minute
            aggregates = row_pack(
                each.stats, metrics, count=each.count, start_ms=minute * MINUTE_MS
            )
            block = blocks.get(minute)
            rows.append((one, minute, each.count, aggregates, block))
            tally.minute(minute, len(aggregates), len(block or b""))
        if packed:
            tally.add(Resolution.MINUTE, hour // 24, -len(packed[0][0]), rows=-1)
        (whole_row,) = rows_select(HourAggregate, ("aggregates",), [one], hour, hour + 1)
        tally.add(Resolution.HOUR, hour // 24, -len(whole_row[0]), rows=-1)
        for table in (HourRaw, HourMinutes, HourAggregate):
            rows_delete(table, [(one, hour, hour + 1)])
        rows_insert(MinuteBlock, rows)
        days.add((one, hour // 24, kind))
    days_make(days, tally)


def days_make(names: Iterable[tuple[int, int, str]], tally: Tally) -> None:
    """Make the rows of these days (series, day, kind) anew from their hours."""
    by_day: dict[int, dict[int, str]] = defaultdict(dict)
    for one, day, kind in names:
        by_day[day][one] = kind
    for day, kinds in by_day.items():
        series = list(kinds)
        before = rows_select(DayAggregate, ("series_id", "aggregates"), series, day, day + 1)
        for _, row in before:
            tally.add(Resolution.DAY, day, -len(row), rows=-1)
        rows_delete(DayAggregate, [(one, day, day + 1) for one, _ in before])
        hours: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        columns = ("series_id", "hour", "count", "aggregates")
        for row in rows_select(HourAggregate, columns, series, day * 24, day * 24 + 24):
            hours[row[0]].append(row)
        rows = []
        for one, found in hours.items():
            metrics = KINDS[kinds[one]]
            stats = [
                row_unpack(bytes(row[3]), metrics, count=row[2], start_ms=row[1] * HOUR_MS)
                for row in found
            ]
            count = sum(row[2] for row in found)
            whole = stats_combine(stats, metrics)
            packed = row_pack(whole, metrics, count=count, start_ms=day * DAY_MS)
            rows.append((one, day, count, packed))
            tally.add(Resolution.DAY, day, len(packed))
        rows_insert(DayAggregate, rows)
