"""The stored rows of some series of one kind in a range, whatever table they lie in.

What is not merged yet lies in minute rows at every resolution, so each source reads two
tables: minute rows, and the resolution's own.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.history.aggregates.hours import hours_unpack
from apps.history.aggregates.rows import RowGroups
from apps.history.aggregates.stats import boot_tag
from apps.history.aggregates.tables import CounterTable, GaugeTable
from apps.history.codec.blocks import Samples, blocks_unpack
from apps.history.codec.columns import Column, finite_values
from apps.history.metrics import KINDS, Metric
from apps.history.models import DayAggregate, HourAggregate, HourMinutes, HourRaw, MinuteBlock
from apps.history.tables import rows_select as rows_ordered
from apps.history.types import Ints, Resolution

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

WIDTH_MS = {
    Resolution.RAW: 0,
    Resolution.MINUTE: MINUTE_MS,
    Resolution.HOUR: HOUR_MS,
    Resolution.DAY: DAY_MS,
}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Where and when each row of a table belongs; sorted by series, then time."""

    series: Ints
    """Place of the series in the list that was asked for."""
    starts_ms: Ints
    ends_ms: Ints


# Sorted below, all tables together.
rows_select = partial(rows_ordered, ordered=False)


@contextmanager
def collection_paused() -> Iterator[None]:
    """Without Python's cyclic collector for a moment.

    Sixty thousand rows are as many tuples, none of them garbage; to look through all of them
    again and again takes the collector as long as all the rest.
    """
    if not gc.isenabled():
        yield  # another reader's pause, which it ends itself
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Source:
    """Rows of `series` (ids) in [start_ms, end_ms), read once, taken apart metric by metric."""

    def __init__(
        self,
        kind: str,
        series: Sequence[int],
        resolution: Resolution,
        start_ms: int,
        end_ms: int,
        metrics: Sequence[Metric],
    ) -> None:
        self.kind = kind
        self.metrics = KINDS[kind]
        self.places = sorted({_place(metric) for metric in metrics})
        self.resolution = resolution
        self._place_of = {one: place for place, one in enumerate(series)}
        self._range = (start_ms, end_ms)
        with collection_paused():
            if resolution is Resolution.RAW:
                self._load_samples(series)
            else:
                self._load_rows(series)

    def _load_rows(self, series: Sequence[int]) -> None:
        start, end = self._range
        columns = ("series_id", "minute", "count", "aggregates")
        minutes = rows_select(
            MinuteBlock, columns, series, start // MINUTE_MS, -(-end // MINUTE_MS)
        )
        tables = [(minutes, MINUTE_MS)]
        hours: list[tuple[Any, ...]] = []
        if self.resolution is Resolution.MINUTE:
            hours = rows_select(
                HourMinutes,
                ("series_id", "hour", "block"),
                series,
                start // HOUR_MS,
                -(-end // HOUR_MS),
            )
        else:
            hourly = self.resolution is Resolution.HOUR
            width = HOUR_MS if hourly else DAY_MS
            table: Any = HourAggregate if hourly else DayAggregate
            columns = ("series_id", "hour" if hourly else "day", "count", "aggregates")
            merged = rows_select(table, columns, series, start // width, -(-end // width))
            tables.append((merged, width))
        of, starts, ends = [], [], []
        data: list[bytes] = []
        counts: list[int] = []
        for rows, width in tables:
            # Column by column: there may be very many rows.
            ids, keys, some, packed = zip(*rows, strict=True) if rows else ((), (), (), ())
            begin = np.array(keys, np.int64) * width
            of.append(self._places_of(ids))
            starts.append(begin)
            ends.append(begin + width)
            counts += some
            data += packed
        self._groups = RowGroups(data, counts, np.concatenate(starts))
        self._hours = hours_unpack([block for _, _, block in hours], places=self.places)
        self._few = len(data)
        sizes = self._hours.sizes
        hour_ms = np.repeat(np.array([hour for _, hour, _ in hours], np.int64), sizes) * HOUR_MS
        self._hour_starts_ms = hour_ms + self._hours.minutes * MINUTE_MS
        starts.append(self._hour_starts_ms)
        ends.append(self._hour_starts_ms + MINUTE_MS)
        of.append(np.repeat(self._places_of([one for one, _, _ in hours]), sizes))
        self._sort(np.concatenate(of), np.concatenate(starts), np.concatenate(ends))

    def _places_of(self, ids: Sequence[int]) -> Ints:
        """Series → their places in the list that was asked for."""
        if not len(ids):
            return np.zeros(0, np.int64)
        distinct, which = np.unique(np.array(ids, np.int64), return_inverse=True)
        places = np.array([self._place_of[one] for one in distinct.tolist()], np.int64)
        found: Ints = places[which]
        return found

    def _sort(self, series: Ints, starts: Ints, ends: Ints) -> None:
        order = np.lexsort((starts, series))
        inside = (ends[order] > self._range[0]) & (starts[order] < self._range[1])
        self._order = order[inside]
        self._total = series.size
        self.rows = Rows(series[self._order], starts[self._order], ends[self._order])

    def _load_samples(self, series: Sequence[int]) -> None:
        start, end = self._range
        blocks = rows_select(
            MinuteBlock, ("series_id", "raw"), series, start // MINUTE_MS, -(-end // MINUTE_MS)
        )
        blocks += rows_select(
            HourRaw, ("series_id", "block"), series, start // HOUR_MS, -(-end // HOUR_MS)
        )
        counters = any(self.metrics[place].type == "counter" for place in self.places)
        kept = [(one, block) for one, block in blocks if block]
        samples = blocks_unpack([block for _, block in kept], places=self.places, ids=counters)
        self._samples = samples
        of = [
            np.full(part.count, self._place_of[one], np.int64)
            for (one, _), part in zip(kept, samples, strict=True)
        ]
        times = [part.times_ms for part in samples]
        empty = [np.zeros(0, np.int64)]
        at = np.concatenate(times + empty)
        self._sort(np.concatenate(of + empty), at, at + 1)

    def gauges(self, metric: Metric) -> GaugeTable:
        """One gauge, row for row as in `rows`."""
        place = _place(metric)
        if self.resolution is Resolution.RAW:
            table = self._raw_gauges(place, metric.scale)
        else:
            table = GaugeTable.empty(self._total)
            read = self._groups.gauges(place, metric.scale)
            for name in GaugeTable.__slots__:
                getattr(table, name)[: self._few] = getattr(read, name)
            for section in self._hours.sections.get(place, ()):
                if not section.mode.is_counter:
                    rows = section.rows
                    table.fill(
                        rows + self._few,
                        section.mode,
                        section.fields,
                        self._hours.counts[rows],
                        metric.scale,
                    )
        return GaugeTable(*(getattr(table, name)[self._order] for name in GaugeTable.__slots__))

    def counters(self, metric: Metric) -> CounterTable:
        """One counter, row for row as in `rows`."""
        place = _place(metric)
        if self.resolution is Resolution.RAW:
            table = self._raw_counters(place)
        else:
            table = CounterTable.empty(self._total)
            read = self._groups.counters(place)
            for name in CounterTable.__slots__:
                getattr(table, name)[: self._few] = getattr(read, name)
            for section in self._hours.sections.get(place, ()):
                if section.mode.is_counter:
                    starts_ms = self._hour_starts_ms[section.rows]
                    table.fill(section.rows + self._few, section.fields, starts_ms)
        return CounterTable(*(getattr(table, name)[self._order] for name in CounterTable.__slots__))

    def _raw_columns(self, place: int) -> list[tuple[int, Samples, Column]]:
        """Offset of the block's first sample, the block, its column."""
        out, offset = [], 0
        for part in self._samples:
            column = part.columns[place] if place < len(part.columns) else None
            if column is not None:
                out.append((offset, part, column))
            offset += part.count
        return out

    def _raw_gauges(self, place: int, scale: int) -> GaugeTable:
        values = np.full(self._total, np.nan)
        for offset, part, column in self._raw_columns(place):
            figures, which = finite_values(column)
            step = scale if figures.dtype.kind in "iu" else 1
            here = values[offset : offset + part.count]
            here[which] = figures / step
        known = ~np.isnan(values)
        return GaugeTable(known.astype(np.int64), values, values, values, values)

    def _raw_counters(self, place: int) -> CounterTable:
        table = CounterTable.empty(self._total)
        for offset, part, column in self._raw_columns(place):
            if column.values.dtype.kind not in "iu" or int(column.values.min()) < 0:
                continue
            which = np.ones(part.count, bool) if column.present is None else column.present
            at = np.flatnonzero(which) + offset
            table.known[at] = True
            table.first[at] = table.last[at] = column.values.astype(np.uint64)
            table.first_ms[at] = table.last_ms[at] = part.times_ms[which]
            table.boot_first[at] = table.boot_last[at] = _tags(part)[which]
        return table


def _tags(part: Samples) -> npt.NDArray[np.int64]:
    tags = np.zeros(part.count, np.int64)
    if part.boots is not None:
        distinct, which = np.unique(part.boots.values, return_inverse=True)
        of = np.array([boot_tag(boot) for boot in distinct.tolist()])[which]
        tags[slice(None) if part.boots.present is None else part.boots.present] = of
    return tags


def _place(metric: Metric) -> int:
    name = metric.source or metric.name
    return next(i for i, one in enumerate(KINDS[metric.kind]) if one.name == name)
