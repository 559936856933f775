"""Storing samples: minute by minute, merged into what is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection

from apps.common.time import from_unix_ns
from apps.history import hours
from apps.history.aggregates.rows import row_pack
from apps.history.aggregates.stats import stats_compute
from apps.history.codec.blocks import Samples, blocks_pack, blocks_unpack
from apps.history.metrics import KINDS, RATIOS
from apps.history.models import HourAggregate, MinuteBlock, RetentionFloor, Series
from apps.history.samples import MINUTE_MS, batch_samples, samples_by_minute, samples_join
from apps.history.tables import rows_insert, rows_select, rows_update, writing
from apps.history.tally import Tally
from apps.history.types import Resolution, SampleBatch, Stored

SERIES_AT_ONCE = 500
MINUTES_AT_ONCE = 5000

SeriesName = tuple[str, str]
"""Kind and subject key: unique in a cluster."""


@dataclass(frozen=True, slots=True)
class Minute:
    """Samples for one row."""

    series: Series
    minute: int
    parts: list[Samples]


def store(cluster_key: int, batches: Sequence[SampleBatch], at: datetime) -> Stored:
    """See `services.samples_store`."""
    given = [(batch, batch_samples(batch)) for batch in batches]  # all checked before any is stored
    total = Stored(0, 0, 0, 0)
    for place in range(0, len(given), SERIES_AT_ONCE):
        part = given[place : place + SERIES_AT_ONCE]
        total = _sum(total, _store_some(cluster_key, part))
    return total


def _sum(one: Stored, other: Stored) -> Stored:
    return Stored(
        one.new + other.new,
        one.known + other.known,
        one.too_late + other.too_late,
        one.minutes_written + other.minutes_written,
    )


def _store_some(cluster_key: int, given: Sequence[tuple[SampleBatch, Samples]]) -> Stored:
    with writing():
        floors = _floors()
        series = series_ensure(cluster_key, [batch for batch, samples in given if samples.count])
        minutes: dict[tuple[int, int], Minute] = {}
        too_late = 0
        for batch, samples in given:
            for minute, part in samples_by_minute(samples).items():
                of = series[batch.kind, batch.subject_key]
                if minute < floors[batch.kind]:
                    too_late += part.count
                    continue
                minutes.setdefault((of.id, minute), Minute(of, minute, [])).parts.append(part)
        stored = Stored(0, 0, too_late, 0)
        listed = [minutes[key] for key in sorted(minutes)]
        for place in range(0, len(listed), MINUTES_AT_ONCE):
            stored = _sum(stored, minutes_write(listed[place : place + MINUTES_AT_ONCE]))
    return stored


def _floors() -> Mapping[str, int]:
    """Kind → the first minute whose raw samples are not removed yet."""
    before = dict(RetentionFloor.objects.values_list("resolution", "before"))
    return {
        kind: int(before[floor].timestamp()) // 60 if floor in before else 0
        for kind in KINDS
        for floor in (Resolution.HOUR if kind == "state" else Resolution.RAW,)
    }


def series_ensure(cluster_key: int, batches: Sequence[SampleBatch]) -> dict[SeriesName, Series]:
    """The series of these batches, made where they are missing; labels brought up to date."""
    wanted = {(batch.kind, batch.subject_key): batch for batch in batches}
    known = _series(cluster_key, wanted)
    missing = [batch for name, batch in wanted.items() if name not in known]
    if missing:
        Series.objects.bulk_create(
            Series(
                cluster_key=cluster_key,
                subject_kind=batch.subject_kind,
                subject_key=batch.subject_key,
                kind=batch.kind,
                label=batch.label,
            )
            for batch in missing
        )
        known = _series(cluster_key, wanted)
    renamed = []
    for name, batch in wanted.items():
        if known[name].label != batch.label:
            known[name].label = batch.label
            renamed.append(known[name])
    Series.objects.bulk_update(renamed, ["label"], batch_size=500)
    return known


def _series(cluster_key: int, wanted: Mapping[SeriesName, SampleBatch]) -> dict[SeriesName, Series]:
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, key in wanted:
        by_kind[kind].append(key)
    return {
        (kind, one.subject_key): one
        for kind, keys in by_kind.items()
        for one in Series.objects.filter(cluster_key=cluster_key, kind=kind, subject_key__in=keys)
    }


def minutes_write(minutes: Sequence[Minute]) -> Stored:
    """Merge samples into their minutes; hours that were merged come apart first."""
    if not minutes:
        return Stored(0, 0, 0, 0)
    tally = Tally()
    _reopen(minutes, tally)
    there = _there(minutes)
    given = sum(part.count for minute in minutes for part in minute.parts)
    fresh = [
        Fresh(
            minute,
            samples_join(minute.parts, KINDS[minute.series.kind]),
            there.get((minute.series.id, minute.minute)),
        )
        for minute in minutes
    ]
    raws = _packed(fresh)
    # The same minute again needs no more than this look.
    news = [(one, raw) for one, raw in zip(fresh, raws, strict=True) if one.raw_before != raw]
    changed = [(one, raw) for one, raw in news if not one.raw_before]
    changed += _merged([one for one, _ in news if one.raw_before])
    new = sum(one.new for one, _ in changed)
    changed = [(one, raw) for one, raw in changed if one.raw_before != raw]
    _write(changed, tally)
    tally.write()
    return Stored(new, given - new, 0, len(changed))


@dataclass(frozen=True, slots=True)
class Fresh:
    """Samples of one minute and what is stored of it: count, aggregates, raw."""

    minute: Minute
    samples: Samples
    before: tuple[int, bytes, bytes] | None
    stored: int = 0
    """How many of the samples are stored already."""

    @property
    def raw_before(self) -> bytes:
        return self.before[2] if self.before else b""

    @property
    def new(self) -> int:
        return self.samples.count - self.stored


def _merged(partly: Sequence[Fresh]) -> list[tuple[Fresh, bytes]]:
    """Minutes of which something else is stored: together with it, packed."""
    stored = blocks_unpack([one.raw_before for one in partly])
    together = [
        replace(
            one,
            samples=samples_join([there, one.samples], KINDS[one.minute.series.kind]),
            stored=there.count,
        )
        for one, there in zip(partly, stored, strict=True)
    ]
    return list(zip(together, _packed(together), strict=True))


def _packed(fresh: Sequence[Fresh]) -> list[bytes]:
    ratios = [RATIOS.get(one.minute.series.kind, ()) for one in fresh]
    return blocks_pack([one.samples for one in fresh], ratios)


def _reopen(minutes: Sequence[Minute], tally: Tally) -> None:
    touched = {(minute.series.id, minute.minute // 60) for minute in minutes}
    low, high = min(hour for _, hour in touched), max(hour for _, hour in touched)
    merged = rows_select(
        HourAggregate, ("series_id", "hour"), [one for one, _ in touched], low, high + 1
    )
    late = [(one, hour) for one, hour in merged if (one, hour) in touched]
    if late:
        kinds = {minute.series.id: minute.series.kind for minute in minutes}
        hours.hours_reopen([(one, hour, kinds[one]) for one, hour in late], tally)


def _there(minutes: Sequence[Minute]) -> dict[tuple[int, int], tuple[int, bytes, bytes]]:
    """What is stored of these minutes: count, aggregates, raw."""
    wanted = {(minute.series.id, minute.minute) for minute in minutes}
    low, high = min(minute for _, minute in wanted), max(minute for _, minute in wanted)
    rows = rows_select(
        MinuteBlock,
        ("series_id", "minute", "count", "aggregates", "raw"),
        [one for one, _ in wanted],
        low,
        high + 1,
    )
    return {
        (one, minute): (count, bytes(aggregates), bytes(raw or b""))
        for one, minute, count, aggregates, raw in rows
        if (one, minute) in wanted
    }


def _write(changed: Sequence[tuple[Fresh, bytes]], tally: Tally) -> None:
    inserts, updates = [], []
    by_kind: dict[str, list[tuple[Fresh, bytes]]] = defaultdict(list)
    for one, raw in changed:
        by_kind[one.minute.series.kind].append((one, raw))
    for kind, listed in by_kind.items():
        metrics = KINDS[kind]
        all_stats = stats_compute([one.samples for one, _ in listed], metrics)
        for (one, raw), stats in zip(listed, all_stats, strict=True):
            minute, count = one.minute.minute, one.samples.count
            packed = row_pack(stats, metrics, count=count, start_ms=minute * MINUTE_MS)
            row = (one.minute.series.id, minute, count, packed, raw)
            if one.before is None:
                inserts.append(row)
                tally.minute(minute, len(packed), len(raw))
            else:
                updates.append(row)
                more = (len(packed) - len(one.before[1]), len(raw) - len(one.before[2]))
                tally.minute(minute, *more, rows=0)
    rows_insert(MinuteBlock, inserts)
    rows_update(MinuteBlock, updates)
    _times_keep([(one.minute.series, one.samples) for one, _ in changed])


def _times_keep(written: Sequence[tuple[Series, Samples]]) -> None:
    """The series' first and last time, where they moved."""
    moved: dict[int, Series] = {}
    for series, samples in written:
        first, last = int(samples.times_ms[0]), int(samples.times_ms[-1])
        if series.first_at is None or first < series.first_at.timestamp() * 1000:
            series.first_at = from_unix_ns(first * 1_000_000)
            moved[series.id] = series
        if series.last_at is None or last > series.last_at.timestamp() * 1000:
            series.last_at = from_unix_ns(last * 1_000_000)
            moved[series.id] = series
    _times_write(list(moved.values()))


def _times_write(series: Sequence[Series]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE history_series SET first_at = %s, last_at = %s WHERE id = %s",
            [
                (
                    connection.ops.adapt_datetimefield_value(one.first_at),
                    connection.ops.adapt_datetimefield_value(one.last_at),
                    one.id,
                )
                for one in series
            ],
        )
