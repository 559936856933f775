"""Stored samples one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apps.history.codec.blocks import Samples, block_unpack
from apps.history.codec.columns import column_values
from apps.history.metrics import KINDS
from apps.history.models import HourRaw, MinuteBlock, Series
from apps.history.tables import rows_select
from apps.history.types import RawEntry

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


def entries_between(series: Series, start_ms: int, end_ms: int, limit: int) -> list[RawEntry]:
    """By time, the oldest `limit`."""
    out: list[RawEntry] = []
    for _, block in blocks_between(series, start_ms, end_ms):
        samples = block_unpack(block)
        out += [one for one in entries_of(samples, series.kind) if start_ms <= one.time_ms < end_ms]
        if len(out) >= limit:
            break
    out.sort(key=lambda one: one.time_ms)
    return out[:limit]


def blocks_between(series: Series, start_ms: int, end_ms: int) -> Iterator[tuple[int, bytes]]:
    """Start and bytes of each block with raw samples, by time."""
    found = [
        (minute * MINUTE_MS, bytes(raw))
        for minute, raw in rows_select(
            MinuteBlock,
            ("minute", "raw"),
            [series.id],
            start_ms // MINUTE_MS,
            -(-end_ms // MINUTE_MS),
        )
        if raw
    ]
    hours = list(
        HourRaw.objects.filter(
            series_id=series.id, hour__gte=start_ms // HOUR_MS, hour__lt=-(-end_ms // HOUR_MS)
        ).values_list("hour", flat=True)
    )
    places: list[tuple[int, bytes | None]] = [*found, *((one * HOUR_MS, None) for one in hours)]
    for at, block in sorted(places, key=lambda one: one[0]):
        if block is None:
            # One at a time: a fortnight of them need not be in memory together.
            rows = rows_select(HourRaw, ("block",), [series.id], at // HOUR_MS, at // HOUR_MS + 1)
            if not rows:
                continue
            block = bytes(rows[0][0])
        yield at, block


def entries_since(
    series: Series, boot: int | None, since_event_id: int, limit: int
) -> list[RawEntry]:
    """Of that boot (``None``: the newest that there is), by event id, the oldest `limit`.

    Blocks are looked through from the newest back, until one holds an earlier event.
    """
    kept: list[RawEntry] = []
    for block in _backwards(series):
        samples = block_unpack(block)
        entries = [one for one in entries_of(samples, series.kind) if one.event_id is not None]
        if boot is None and entries:
            boot = max(entries, key=lambda one: one.time_ms).boot
        mine = [one for one in entries if one.boot == boot]
        kept += [one for one in mine if one.event_id is not None and one.event_id >= since_event_id]
        if any(one.event_id is not None and one.event_id < since_event_id for one in mine):
            break
    kept.sort(key=lambda one: one.event_id or 0)
    return kept[:limit]


def _backwards(series: Series) -> Iterator[bytes]:
    yield from (
        bytes(raw or b"")
        for raw in MinuteBlock.objects.filter(series_id=series.id, raw__isnull=False)
        .order_by("-minute")
        .values_list("raw", flat=True)
        .iterator(chunk_size=20)
    )
    yield from (
        bytes(block)
        for block in HourRaw.objects.filter(series_id=series.id)
        .order_by("-hour")
        .values_list("block", flat=True)
        .iterator(chunk_size=2)
    )


def entries_of(samples: Samples, kind: str) -> Sequence[RawEntry]:
    """Samples as plain values, in their order."""
    count = samples.count
    names = [metric.name for metric in KINDS[kind]]
    columns = [
        column_values(column, count, metric.scale)
        for column, metric in zip(samples.columns, KINDS[kind], strict=False)
    ]
    columns += [[None] * count] * (len(names) - len(columns))
    ids = column_values(samples.event_ids, count, 1)
    boots = column_values(samples.boots, count, 1)
    return [
        RawEntry(
            time_ms=time_ms,
            event_id=None if event is None else int(event),
            boot=None if boot is None else int(boot),
            values=dict(zip(names, values, strict=True)),
        )
        for time_ms, event, boot, values in zip(
            samples.times_ms.tolist(), ids, boots, zip(*columns, strict=True), strict=True
        )
    ]
