"""The minute statistics of one hour ↔ bytes, metric by metric.

Each metric is deflated by itself, so that reading one does not cost the others.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.history.aggregates import modes
from apps.history.aggregates.modes import Mode, mode_get
from apps.history.aggregates.rows import stat_of
from apps.history.aggregates.stats import CounterStat, GaugeStat, Stat, in_values
from apps.history.codec.varint import ByteReader, varint
from apps.history.errors import BlockBroken
from apps.history.metrics import Metric

FORMAT = 1
MINUTES = 60
MINUTE_MS = 60_000

PARTIAL, STORED, SAME = 1, 2, 4
"""Flags: a map of the minutes that have the metric; not deflated; one record for all."""

Array = npt.NDArray[Any]
Section = tuple[int, npt.NDArray[np.bool_], Mapping[str, Array]]
"""Mode, which of the minutes have the metric, stored fields of those."""


@dataclass(frozen=True, slots=True)
class MinuteStats:
    """Statistics of one minute of an hour."""

    minute: int
    """0–59."""
    count: int
    stats: Sequence[Stat]


def hour_pack(rows: Sequence[MinuteStats], metrics: Sequence[Metric], *, start_ms: int) -> bytes:
    """Minutes in order, one at least, of the hour that begins at `start_ms` → bytes."""
    counts = np.array([row.count for row in rows], np.int64)
    minutes = [row.minute for row in rows]
    sections: list[Section | None] = []
    for place, metric in enumerate(metrics):
        stats = [row.stats[place] if place < len(row.stats) else None for row in rows]
        known = np.array([stat is not None for stat in stats])
        if not known.any():
            sections.append(None)
            continue
        kept = [stat for stat in stats if stat is not None]
        if isinstance(kept[0], CounterStat):
            starts = [
                start_ms + minute * MINUTE_MS
                for minute, yes in zip(minutes, known, strict=True)
                if yes
            ]
            number, fields = _counters(kept, starts)
        else:
            gauges = [stat for stat in kept if isinstance(stat, GaugeStat)]
            if not all(stat.in_steps for stat in gauges):
                gauges = [in_values(stat, metric.scale) for stat in gauges]
            number, fields = gauges_fields(gauge_arrays(gauges), counts[known], metric.scale)
        sections.append((number, known, fields))
    return hour_assemble(minutes, counts, sections)


def hour_assemble(
    minutes: Sequence[int],
    counts: npt.NDArray[np.int64],
    sections: Sequence[Section | None],
) -> bytes:
    """Fields per metric (see `gauges_fields`) → bytes."""
    present = np.zeros(MINUTES, bool)
    present[list(minutes)] = True
    head = bytes([FORMAT]) + np.packbits(present, bitorder="little").tobytes()
    packed = zlib.compress(_planes(counts.astype("<u4")), 6)
    out = [head, varint(len(packed)), packed, bytes([len(sections)])]
    for section in sections:
        if section is None:
            out.append(b"\x00")
            continue
        number, known, fields = section
        flags, extra = 0, b""
        if not known.all():
            flags, extra = PARTIAL, np.packbits(known, bitorder="little").tobytes()
        parts = [fields[name].astype(code) for name, code in mode_get(number).fields]
        if all((part == part[0]).all() for part in parts):
            flags, parts = flags | SAME, [part[:1] for part in parts]
        plain = b"".join(_planes(part) for part in parts)
        body = zlib.compress(plain, 6)
        if len(body) >= len(plain):
            flags, body = flags | STORED, plain
        out += (bytes([number, flags]), extra, varint(len(body)), body)
    return b"".join(out)


def _planes(values: Array) -> bytes:
    """First bytes first, then second bytes: what is alike lies together."""
    width = values.dtype.itemsize
    if width == 1:
        return values.tobytes()
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, width).T).tobytes()


def gauge_arrays(stats: Sequence[GaugeStat]) -> dict[str, Array]:
    """Statistics → arrays: int64 or uint64 where they fit, else float64."""
    columns = list(zip(*stats, strict=True))
    arrays = {"samples": np.array(columns[0], np.int64)}
    for name, column in zip(("minimum", "maximum", "last", "total"), columns[1:], strict=True):
        arrays[name] = np.array(column, _type(column))
    return arrays


def _type(column: Sequence[Any]) -> Any:
    if not all(isinstance(one, int) for one in column):
        return np.float64
    lowest, highest = min(column), max(column)
    if lowest >= -(2**63) and highest < 2**63:
        return np.int64
    return np.uint64 if lowest >= 0 and highest < 2**64 else np.float64


def gauges_fields(
    arrays: Mapping[str, Array], counts: npt.NDArray[np.int64], scale: int
) -> tuple[int, dict[str, Array]]:
    """Arrays of one gauge's statistics, in steps (or float64 values) → mode and stored fields."""
    own = arrays["samples"]
    counted = bool((own != counts).any())
    four = [arrays[name] for name in ("minimum", "maximum", "last", "total")]
    if all(array.dtype == np.int64 for array in four):
        low, high, last, total = four
        base = modes.base_code(int(low.min()), int(low.max()))
        if base is not None and not counted and (low == high).all():
            return modes.CONSTANT + base, {"minimum": low}
        most = max(abs(int(low.min())), abs(int(high.max()))) * int(own.max())
        spread, rest = high - low, total - own * low
        offset, width = modes.width_code(int(spread.max())), modes.width_code(int(rest.max()))
        fits = most < 2**62  # else 64 bits may have run over
        if base is not None and offset is not None and width is not None and fits:
            fields = {"minimum": low, "maximum": spread, "last": last - low, "total": rest}
            if counted:
                fields["samples"] = own
            return modes.full_mode(base, offset, width, counted=counted), fields
    steps = 1 if four[0].dtype.kind == "f" else scale
    fields = dict(
        zip(
            ("minimum", "maximum", "last", "total"),
            (array.astype(np.float64) / steps for array in four),
            strict=True,
        )
    )
    if counted:
        fields["samples"] = own
    return (modes.FLOATS_COUNTED if counted else modes.FLOATS), fields


def _counters(stats: Sequence[Any], starts_ms: Sequence[int]) -> tuple[int, dict[str, Array]]:
    columns = dict(zip(CounterStat._fields, zip(*stats, strict=True), strict=True))
    fields: dict[str, Array] = {}
    for name, column in columns.items():
        kind: Any = np.float64 if name.endswith("rate") else np.int64
        fields[name] = np.array(
            column, np.uint64 if name in ("first", "last", "increase") else kind
        )
    starts = np.array(starts_ms, np.int64)
    fields["first_ms"] = fields["first_ms"] - starts
    fields["last_ms"] = fields["last_ms"] - starts
    still = (fields["first"] == fields["last"]).all() and not fields["increase"].any()
    return (modes.COUNTER_STILL if still else modes.COUNTER), fields


@dataclass(frozen=True, slots=True, eq=False)
class HourSection:
    """One metric of one or many hours: stored fields of the minutes (`rows`: which these are)."""

    mode: Mode
    rows: npt.NDArray[np.intp]
    fields: Mapping[str, Array]


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """The minutes of many hours, one behind the other."""

    minutes: npt.NDArray[np.int64]
    """0–59, those that there are."""
    counts: npt.NDArray[np.int64]
    sizes: Sequence[int]
    """How many minutes each hour has."""
    sections: Mapping[int, Sequence[HourSection]]
    """By place, those asked for; several where hours are stored in different modes."""


_Alike = tuple[int, int, bool, int]
"""Place, mode, one record for all minutes?, number of minutes."""


def hours_unpack(
    blocks: Sequence[bytes | memoryview], *, places: Sequence[int] | None = None
) -> Hours:
    """Bytes → the hours; only the metrics at `places` (``None``: all). Raises BlockBroken.

    What is stored alike is taken apart together: there may be thousands of hours.
    """
    minutes: list[npt.NDArray[np.int64]] = []
    counts: list[npt.NDArray[np.int64]] = []
    alike: dict[_Alike, tuple[list[npt.NDArray[np.intp]], list[bytes]]] = {}
    offset = 0
    for data in blocks:
        reader = ByteReader(bytes(data))
        if reader.byte() != FORMAT:
            raise BlockBroken("A stored hour has a format that this version does not know.")
        here = _minutes(reader.take(8))
        count = here.size
        minutes.append(here)
        counts.append(_counts(reader.take(reader.varint()), count))
        metrics = reader.byte()
        # What lies behind the last metric that is wanted need not be looked at.
        last = metrics if places is None else min(metrics, max(places, default=-1) + 1)
        for place in range(last):
            number = reader.byte()
            if number == modes.ABSENT:
                continue
            flags = reader.byte()
            known = reader.take((count + 7) // 8) if flags & PARTIAL else b""
            length = reader.varint()
            if places is not None and place not in places:
                reader.skip(length)
                continue
            body = reader.take(length)
            rows = _EVERY[:count]
            if known:
                bits = np.unpackbits(np.frombuffer(known, np.uint8), count=count, bitorder="little")
                rows = bits.nonzero()[0]
            of, plains = alike.setdefault((place, number, bool(flags & SAME), rows.size), ([], []))
            of.append(rows + offset)
            plains.append(body if flags & STORED else _inflate(body))
        offset += count
    sections: dict[int, list[HourSection]] = defaultdict(list)
    for (place, number, same, size), (of, plains) in alike.items():
        mode = mode_get(number)
        fields = _fields(mode, plains, size, same=same)
        sections[place].append(HourSection(mode, np.concatenate(of), fields))
    empty: npt.NDArray[np.int64] = np.zeros(0, np.int64)
    return Hours(
        np.concatenate([empty, *minutes]),
        np.concatenate([empty, *counts]),
        [one.size for one in minutes],
        sections,
    )


_EVERY = np.arange(MINUTES)


@lru_cache(maxsize=256)
def _minutes(packed: bytes) -> npt.NDArray[np.int64]:
    """Nearly always all sixty, so the same again and again."""
    bits = np.frombuffer(packed, np.uint8)
    found = np.unpackbits(bits, bitorder="little")[:MINUTES].nonzero()[0].astype(np.int64)
    found.setflags(write=False)
    return found


@lru_cache(maxsize=256)
def _counts(packed: bytes, minutes: int) -> npt.NDArray[np.int64]:
    plain = _inflate(packed)
    if len(plain) != 4 * minutes:
        raise BlockBroken("A stored hour has not the length that it says.")
    planes = np.frombuffer(plain, np.uint8)[None, :]
    found: npt.NDArray[np.int64] = _planes_undo(planes, "<u4")[0].astype(np.int64)
    found.setflags(write=False)
    return found


def _fields(mode: Mode, plains: Sequence[bytes], minutes: int, *, same: bool) -> dict[str, Array]:
    """The fields of hours that are stored alike, one behind the other."""
    stored = 1 if same else minutes
    lengths = set(map(len, plains))
    if lengths != {mode.size * stored}:
        raise BlockBroken("A stored hour has not the length that it says.")
    matrix = np.frombuffer(b"".join(plains), np.uint8).reshape(len(plains), -1)
    fields: dict[str, Array] = {}
    place = 0
    for name, code in mode.fields:
        end = place + int(code[-1]) * stored
        values = _planes_undo(matrix[:, place:end], code).reshape(-1)
        fields[name] = values.repeat(minutes) if same else values
        place = end
    return fields


def _planes_undo(planes: npt.NDArray[np.uint8], code: str) -> Array:
    """A line of planes each → a line of numbers each."""
    width = int(code[-1])
    if width == 1:
        return planes
    lines, size = planes.shape
    split = planes.reshape(lines, width, size // width).transpose(0, 2, 1)
    return np.ascontiguousarray(split).view(code).reshape(lines, -1)


def _inflate(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error as error:
        raise BlockBroken(f"A stored hour can't be inflated: {error}") from error


def hour_rows(
    data: bytes | memoryview, metrics: Sequence[Metric], *, start_ms: int
) -> list[MinuteStats]:
    """Bytes → what `hour_pack` was given."""
    hour = hours_unpack([data])
    stats: list[list[Stat]] = [[None] * len(metrics) for _ in hour.counts]
    minutes, counts = hour.minutes.tolist(), hour.counts.tolist()
    for place, (section,) in hour.sections.items():
        columns = [values.tolist() for values in section.fields.values()]
        for row, figures in zip(section.rows.tolist(), zip(*columns, strict=True), strict=True):
            stats[row][place] = stat_of(
                section.mode,
                dict(zip(section.fields, figures, strict=True)),
                count=counts[row],
                start_ms=start_ms + minutes[row] * MINUTE_MS,
            )
    return [
        MinuteStats(minute, count, tuple(one))
        for minute, count, one in zip(minutes, counts, stats, strict=True)
    ]
