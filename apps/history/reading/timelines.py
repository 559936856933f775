"""Changes of state → spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db.models import Max

from apps.common.time import from_unix_ns
from apps.history.codec.blocks import blocks_unpack
from apps.history.metrics import STATES
from apps.history.models import HourRaw, MinuteBlock, Series
from apps.history.states import COLLECTOR, milliseconds
from apps.history.tables import rows_select
from apps.history.types import Ints, StateSpan

HOUR_MS = 3_600_000
MINUTE_MS = 60_000

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Changes:
    """States of one subject by time; the first may lie before the range."""

    times_ms: Ints
    codes: Ints


def changes_read(series: Sequence[int], start_ms: int, end_ms: int) -> dict[int, Changes]:
    """Changes of these series in [start_ms, end_ms), and the last one before it."""
    blocks = _blocks(series, start_ms, end_ms) + _blocks_before(series, start_ms)
    samples = blocks_unpack([block for _, block in blocks], ids=False)
    parts: dict[int, list[tuple[Ints, Ints]]] = {}
    for (one, _), part in zip(blocks, samples, strict=True):
        column = part.columns[0]
        if column is not None and column.present is None:
            parts.setdefault(one, []).append((part.times_ms, column.values.astype(np.int64)))
    out = {}
    for one, listed in parts.items():
        times = np.concatenate([times for times, _ in listed])
        codes = np.concatenate([codes for _, codes in listed])
        order = np.argsort(times, kind="stable")
        times, codes = times[order], codes[order]
        first = max(int(np.searchsorted(times, start_ms, side="right")) - 1, 0)
        last = int(np.searchsorted(times, end_ms))
        if last > first:
            out[one] = Changes(times[first:last], codes[first:last])
    return out


def _blocks(series: Sequence[int], start_ms: int, end_ms: int) -> list[tuple[int, bytes]]:
    found = rows_select(
        MinuteBlock, ("series_id", "raw"), series, start_ms // MINUTE_MS, -(-end_ms // MINUTE_MS)
    )
    found += rows_select(
        HourRaw, ("series_id", "block"), series, start_ms // HOUR_MS, -(-end_ms // HOUR_MS)
    )
    return [(one, bytes(block)) for one, block in found if block]


def _blocks_before(series: Sequence[int], start_ms: int) -> list[tuple[int, bytes]]:
    """Of each series its newest block that begins before the range's own first one."""
    hour = start_ms // HOUR_MS
    minute = start_ms // MINUTE_MS
    hours = HourRaw.objects.filter(series_id__in=series, hour__lt=hour)
    minutes = MinuteBlock.objects.filter(series_id__in=series, minute__lt=minute)
    newest_hour = dict(hours.values_list("series_id").annotate(newest=Max("hour")))
    newest_minute = dict(minutes.values_list("series_id").annotate(newest=Max("minute")))
    found: list[tuple[int, bytes]] = []
    by_minute: dict[int, list[int]] = {}
    by_hour: dict[int, list[int]] = {}
    for one, newest in newest_minute.items():
        by_minute.setdefault(newest, []).append(one)
    for one, newest in newest_hour.items():
        if newest * 60 > newest_minute.get(one, -1):
            by_hour.setdefault(newest, []).append(one)
    for at, some in by_minute.items():
        found += rows_select(MinuteBlock, ("series_id", "raw"), some, at, at + 1)
    for at, some in by_hour.items():
        found += rows_select(HourRaw, ("series_id", "block"), some, at, at + 1)
    return [(one, bytes(block)) for one, block in found if block]


def seen_spans(cluster_key: int, start_ms: int, end_ms: int, *, blind_ms: int) -> list[Span]:
    """When the collector was at work. Where there are no marks at all, all of the range."""
    series = Series.objects.filter(
        cluster_key=cluster_key, kind="state", subject_key=COLLECTOR, subject_kind="portal"
    ).first()
    if series is None:
        return [(start_ms, end_ms)]
    marks = changes_read([series.id], start_ms - blind_ms, end_ms).get(series.id)
    if marks is None:
        return []
    spans: list[Span] = []
    for at in marks.times_ms.tolist():
        begin, until = max(at, start_ms), min(at + blind_ms, end_ms)
        if until <= begin:
            continue
        if spans and spans[-1][1] >= begin:
            spans[-1] = (spans[-1][0], until)
        else:
            spans.append((begin, until))
    return spans


def spans_make(
    changes: Changes | None, seen: Sequence[Span], start: datetime, end: datetime
) -> tuple[StateSpan, ...]:
    """Spans from `start` to `end`, ``None`` where nobody looked or nothing was known yet."""
    start_ms, end_ms = milliseconds(start), milliseconds(end)
    pieces: list[tuple[int, int, str | None]] = []
    known: list[tuple[int, int, str | None]] = []
    if changes is not None:
        times = [*changes.times_ms.tolist(), end_ms]
        for begin, until, code in zip(times, times[1:], changes.codes.tolist(), strict=False):
            known.append((max(begin, start_ms), until, STATES[code]))
    cursor = start_ms
    for seen_start, seen_end in seen:
        for begin, until, state in known:
            low, high = max(begin, seen_start), min(until, seen_end)
            if low < high:
                pieces.append((low, high, state))
    out: list[tuple[int, int, str | None]] = []
    for begin, until, state in pieces:
        if begin > cursor:
            out.append((cursor, begin, None))
        if out and out[-1][2] == state and out[-1][1] == begin:
            out[-1] = (out[-1][0], until, state)
        else:
            out.append((begin, until, state))
        cursor = until
    if cursor < end_ms:
        out.append((cursor, end_ms, None))
    return tuple(
        StateSpan(state, from_unix_ns(begin * 1_000_000), from_unix_ns(until * 1_000_000))
        for begin, until, state in out
    )
