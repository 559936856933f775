"""One row of statistics ↔ bytes. Thousands of rows are read in one go.

A row: format, number of metrics, one mode a metric, then the figures. Rows that begin
alike have the same layout, so a reader joins them and lets numpy take the columns.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.history.aggregates import modes
from apps.history.aggregates.modes import Mode, mode_get
from apps.history.aggregates.stats import CounterStat, GaugeStat, Stat, in_values
from apps.history.aggregates.tables import CounterTable, GaugeTable
from apps.history.errors import BlockBroken
from apps.history.metrics import Metric

FORMAT = 1
HEAD = 2
CODES = {"<u1": "B", "<u2": "H", "<u4": "I", "<u8": "Q", "<i8": "q", "<f4": "f", "<f8": "d"}


def row_pack(
    stats: Sequence[Stat], metrics: Sequence[Metric], *, count: int, start_ms: int
) -> bytes:
    """Statistics of one span that begins at `start_ms` and has `count` samples → bytes."""
    numbers = bytearray((FORMAT, len(stats)))
    figures: list[Any] = []
    for stat, metric in zip(stats, metrics, strict=True):
        if stat is None:
            numbers.append(modes.ABSENT)
        elif isinstance(stat, CounterStat):
            numbers.append(_counter(stat, start_ms, figures))
        else:
            numbers.append(_gauge(stat, metric.scale, count, figures))
    prefix = bytes(numbers)
    return prefix + _struct(prefix).pack(*figures)


@lru_cache(maxsize=4096)
def _struct(prefix: bytes) -> struct.Struct:
    codes = [CODES[code] for number in prefix[HEAD:] for _, code in mode_get(number).fields]
    return struct.Struct("<" + "".join(codes))


def _gauge(stat: GaugeStat, scale: int, count: int, figures: list[Any]) -> int:
    own, lowest, highest, last, total = stat
    if stat.in_steps:
        if lowest == highest and own == count:
            base = modes.base_code(lowest, lowest)
            if base is not None:
                figures.append(lowest)
                return modes.CONSTANT + base
        base = modes.base_code(lowest, lowest)
        offset = modes.width_code(highest - lowest)
        rest = total - own * lowest
        width = modes.width_code(rest)
        if base is not None and offset is not None and width is not None:
            figures += (lowest, highest - lowest, last - lowest, rest)
            if own != count:
                figures.append(own)
            return modes.full_mode(base, offset, width, counted=own != count)
        stat = in_values(stat, scale)
    own, lowest, highest, last, total = stat
    if lowest == highest and own == count:
        figures.append(lowest)
        return modes.CONSTANT_FLOAT
    figures += (lowest, highest, last, total)
    if own == count:
        return modes.FLOATS
    figures.append(own)
    return modes.FLOATS_COUNTED


def _counter(stat: CounterStat, start_ms: int, figures: list[Any]) -> int:
    figures += (
        stat.first,
        stat.span_ms,
        stat.first_ms - start_ms,
        stat.last_ms - start_ms,
        stat.boot_first,
        stat.boot_last,
        stat.intervals,
    )
    if stat.last == stat.first and not stat.increase:
        return modes.COUNTER_STILL
    figures += (stat.last, stat.increase, stat.min_rate, stat.max_rate)
    return modes.COUNTER


def row_unpack(
    data: bytes, metrics: Sequence[Metric], *, count: int, start_ms: int
) -> tuple[Stat, ...]:
    """Bytes of one row → its statistics, one per metric of the catalogue."""
    prefix = data[: _head_size(data)]
    try:
        figures = iter(_struct(prefix).unpack(data[len(prefix) :]))
    except struct.error as error:
        raise BlockBroken(f"A stored row has not the length that its modes say: {error}") from error
    stats = [_stat(mode_get(number), figures, count, start_ms) for number in prefix[HEAD:]]
    return (*stats, *[None] * (len(metrics) - len(stats)))


def _head_size(data: bytes) -> int:
    if len(data) < HEAD or data[0] != FORMAT:
        raise BlockBroken("A stored row has a format that this version does not know.")
    return HEAD + data[1]


def _stat(mode: Mode, figures: Any, count: int, start_ms: int) -> Stat:
    found = {name: next(figures) for name, _ in mode.fields}
    return stat_of(mode, found, count=count, start_ms=start_ms)


def stat_of(mode: Mode, found: dict[str, Any], *, count: int, start_ms: int) -> Stat:
    """Stored figures of one mode → the statistic."""
    if mode.number == modes.ABSENT:
        return None
    if mode.is_counter:
        first = found["first"]
        return CounterStat(
            first,
            found.get("last", first),
            found.get("increase", 0),
            found["span_ms"],
            start_ms + found["first_ms"],
            start_ms + found["last_ms"],
            found["boot_first"],
            found["boot_last"],
            found["intervals"],
            found.get("min_rate", 0.0),
            found.get("max_rate", 0.0),
        )
    lowest = found["minimum"]
    if mode.is_constant:
        return GaugeStat(count, lowest, lowest, lowest, lowest * count)
    own = found.get("samples", count)
    if mode.is_float:
        return GaugeStat(own, lowest, found["maximum"], found["last"], found["total"])
    return GaugeStat(
        own,
        lowest,
        lowest + found["maximum"],
        lowest + found["last"],
        own * lowest + found["total"],
    )


@lru_cache(maxsize=4096)
def _dtype(prefix: bytes, place: int) -> tuple[Mode, np.dtype[Any]]:
    """Layout of rows with that beginning, with only the fields of one metric named."""
    offset = len(prefix)
    names: list[str] = []
    formats: list[str] = []
    offsets: list[int] = []
    for index, number in enumerate(prefix[HEAD:]):
        for name, code in mode_get(number).fields:
            if index == place:
                names.append(name)
                formats.append(code)
                offsets.append(offset)
            offset += np.dtype(code).itemsize
    layout = {"names": names, "formats": formats, "offsets": offsets, "itemsize": offset}
    return mode_get(prefix[HEAD + place]), np.dtype(layout)  # type: ignore[call-overload]


class RowGroups:
    """Stored rows, sorted by layout: made once, read for as many metrics as are asked."""

    def __init__(
        self, rows: Sequence[bytes], counts: Sequence[int], starts_ms: npt.NDArray[np.int64]
    ) -> None:
        self.counts = np.array(counts, np.int64)
        self.starts_ms = starts_ms
        places: dict[bytes, list[int]] = defaultdict(list)
        for index, row in enumerate(rows):
            places[row[: HEAD + row[1]]].append(index)
        self._groups = [
            (prefix, np.array(members), b"".join([rows[index] for index in members]))
            for prefix, members in places.items()
        ]
        for prefix, _, _ in self._groups:
            _head_size(prefix)

    def gauges(self, place: int, scale: int) -> GaugeTable:
        """One gauge of all rows, in their order."""
        table = GaugeTable.empty(len(self.counts))
        for mode, members, found in self._found(place):
            if not mode.is_counter:
                table.fill(members, mode, found, self.counts[members], scale)
        return table

    def counters(self, place: int) -> CounterTable:
        """One counter of all rows, in their order."""
        table = CounterTable.empty(len(self.counts))
        for mode, members, found in self._found(place):
            if mode.is_counter:
                table.fill(members, found, self.starts_ms[members])
        return table

    def _found(self, place: int) -> list[tuple[Mode, Any, Any]]:
        out = []
        for prefix, members, joined in self._groups:
            if place >= len(prefix) - HEAD:
                continue  # written before the catalogue had this metric
            mode, dtype = _dtype(prefix, place)
            if mode.number == modes.ABSENT:
                continue
            if len(joined) != dtype.itemsize * len(members):
                raise BlockBroken("A stored row has not the length that its modes say.")
            out.append((mode, members, np.frombuffer(joined, dtype)))
        return out
