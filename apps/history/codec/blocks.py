"""Samples of one series ↔ one block of bytes. Many blocks are packed in one go.

A block: format, count, number of metrics; then the times, event ids, boots and each
metric as a column: one byte that says how, and the bytes. What is absent or the same
throughout costs one byte or a few; so does a percentage that follows from its parts. A
reader skips the columns that it does not want.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.history.codec.columns import Array, Column
from apps.history.codec.ratios import Rested, residuals, rested
from apps.history.codec.streams import rows_pack, rows_unpack
from apps.history.codec.varint import ByteReader, signed_varint, varint
from apps.history.errors import BlockBroken
from apps.history.metrics import Ratio

FORMAT = 1

ABSENT, CONSTANT, STREAM, FLOATS, OBJECTS, RATIO = range(6)
HOW = 0x0F
UNSIGNED = 0x10
PARTIAL = 0x20
"""Flags: 64 bits without a sign; a map of the samples that have a value comes first."""

MOST_SAMPLES = 1_000_000
MOST_METRICS = 255
OWN_COLUMNS = 3
"""Times, event ids and boots come before the metrics."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples of one series. `columns`: one per place of the kind's catalogue; ``None`` where
    nothing is known (or was not asked for)."""

    times_ms: npt.NDArray[np.int64]
    event_ids: Column | None
    boots: Column | None
    columns: tuple[Column | None, ...]

    @property
    def count(self) -> int:
        return int(self.times_ms.size)


def blocks_pack(
    blocks: Sequence[Samples], ratios: Sequence[Sequence[Ratio]] | None = None
) -> list[bytes]:
    """Samples, at least one each → bytes. `ratios`: of each block, percentages that may be
    stored by their parts (`metrics.RATIOS` of its kind)."""
    pieces: list[list[bytes]] = []
    waiting: dict[tuple[int, bool], list[_Row]] = defaultdict(list)
    by_parts = residuals([block.columns for block in blocks], ratios or ())
    for number, block in enumerate(blocks):
        columns = (Column(block.times_ms), block.event_ids, block.boots, *block.columns)
        row = [bytes([FORMAT]) + varint(block.count) + varint(len(block.columns))]
        pieces.append(row)
        for place, column in enumerate(columns, start=1):
            found = by_parts.get((number, place - OWN_COLUMNS - 1))
            if column is None:
                row.append(b"\x00")
            elif found is not None:
                ratio, rest = found
                head = bytes([RATIO, ratio.part, ratio.whole, ratio.rest]) + varint(ratio.scale)
                waiting[rest.size, False].append((number, place, rest, head))
                row.append(b"")
            elif column.values.dtype.kind in "iu":
                unsigned = column.values.dtype.kind == "u"
                waiting[column.values.size, unsigned].append((number, place, column.values, b""))
                row.append(b"")
            else:
                row.append(_apart(column))
    for (_, unsigned), rows in waiting.items():
        _whole_numbers(blocks, rows, pieces, unsigned=unsigned)
    return [b"".join(row) for row in pieces]


_Row = tuple[int, int, Array, bytes]
"""Number of the block, place of the column in it, numbers to pack, what comes before them."""


def _presence(column: Column | None) -> bytes:
    if column is None or column.present is None:
        return b""
    return np.packbits(column.present, bitorder="little").tobytes()


def _apart(column: Column) -> bytes:
    """Values that are no 64-bit numbers."""
    if column.values.dtype.kind == "f":
        how = FLOATS
        planes = column.values.astype("<f8").view(np.uint8).reshape(-1, 8).T
        body = zlib.compress(np.ascontiguousarray(planes).tobytes(), 6)
    else:
        how = OBJECTS
        body = zlib.compress(json.dumps(column.values.tolist()).encode(), 6)
    known = _presence(column)
    return bytes([how | (PARTIAL if known else 0)]) + known + varint(len(body)) + body


def _whole_numbers(
    blocks: Sequence[Samples],
    rows: list[_Row],
    pieces: list[list[bytes]],
    *,
    unsigned: bool,
) -> None:
    """Pack rows of one length together, and put each where it belongs."""
    matrix = np.stack([values for _, _, values, _ in rows])
    constant = (matrix == matrix[:, :1]).all(axis=1)
    flag = UNSIGNED if unsigned else 0
    for index in np.flatnonzero(constant).tolist():
        number, place, values, before = rows[index]
        head = before + _head(CONSTANT | flag, blocks[number], place)
        pieces[number][place] = head + signed_varint(int(values[0]))
    moving = np.flatnonzero(~constant)
    packed = rows_pack(matrix[moving], signed=not unsigned)
    for index, body in zip(moving.tolist(), packed, strict=True):
        number, place, _, before = rows[index]
        head = before + _head(STREAM | flag, blocks[number], place)
        pieces[number][place] = head + varint(len(body)) + body


def _head(how: int, block: Samples, place: int) -> bytes:
    if place == 1:
        return bytes([how])
    column = (block.event_ids, block.boots)[place - 2] if place <= OWN_COLUMNS else None
    if place > OWN_COLUMNS:
        column = block.columns[place - OWN_COLUMNS - 1]
    known = _presence(column)
    return bytes([how | (PARTIAL if known else 0)]) + known


def block_unpack(
    data: bytes | memoryview, *, places: Collection[int] | None = None, ids: bool = True
) -> Samples:
    """One block; see `blocks_unpack`."""
    return blocks_unpack([data], places=places, ids=ids)[0]


def blocks_unpack(
    blocks: Sequence[bytes | memoryview],
    *,
    places: Collection[int] | None = None,
    ids: bool = True,
) -> list[Samples]:
    """Bytes → samples. Only the metrics at `places` (``None``: all); event ids and boots only
    with `ids`. Raises BlockBroken."""
    found: list[list[Column | None]] = []
    waiting: dict[int, list[_Waiting]] = defaultdict(list)
    by_parts: list[tuple[int, int, Rested]] = []
    for number, data in enumerate(blocks):
        reader = ByteReader(bytes(data))
        if reader.byte() != FORMAT:
            raise BlockBroken("A stored block has a format that this version does not know.")
        count, metrics = reader.varint(), reader.varint()
        if not 0 < count <= MOST_SAMPLES or metrics > MOST_METRICS:
            raise BlockBroken(f"A stored block says that it holds {count} samples.")
        columns: list[Column | None] = []
        found.append(columns)
        parts: set[int] = set()
        for place in range(-OWN_COLUMNS, metrics):
            first = place == -OWN_COLUMNS
            wanted = first or (ids if place < 0 else places is None or place in places)
            ratio = _ratio(reader, place, metrics)
            if ratio is not None and wanted:
                parts.update((ratio.part, ratio.whole))
                by_parts.append((number, len(columns), ratio))
            column = _column(reader, count, wanted=wanted or place in parts)
            columns.append(column if isinstance(column, Column) else None)
            if isinstance(column, _Stream):
                waiting[column.count].append(_Waiting(number, len(columns) - 1, column))
    for count, streams in waiting.items():
        rows = rows_unpack([one.stream.body for one in streams], count)
        for one, values in zip(streams, rows, strict=True):
            column = Column(values.view(one.stream.dtype), one.stream.present)
            found[one.block][one.place] = column
    for number, place, ratio in by_parts:
        columns = found[number]
        columns[place] = rested(columns[place], columns[OWN_COLUMNS:], ratio)
    out = []
    for columns in found:
        times = columns[0]
        if times is None or times.present is not None:
            raise BlockBroken("A stored block has no times.")
        kept = columns[OWN_COLUMNS:]
        if places is not None and by_parts:
            kept = [column if place in places else None for place, column in enumerate(kept)]
        out.append(Samples(times.values, columns[1], columns[2], tuple(kept)))
    return out


def _ratio(reader: ByteReader, place: int, metrics: int) -> Rested | None:
    """Where the next column is stored by its parts: which those are."""
    if reader.peek() != RATIO:
        return None
    reader.byte()
    ratio = Rested(reader.byte(), reader.byte(), bool(reader.byte()), reader.varint())
    if not place < min(ratio.part, ratio.whole) or max(ratio.part, ratio.whole) >= metrics:
        raise BlockBroken("A stored block has a column that follows from others than it may.")
    return ratio


@dataclass(frozen=True, slots=True, eq=False)
class _Stream:
    """A column that waits to be unpacked with others of its length."""

    body: bytes
    count: int
    dtype: Any
    present: npt.NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    block: int
    place: int
    stream: _Stream


def _column(reader: ByteReader, count: int, *, wanted: bool) -> Column | _Stream | None:
    flags = reader.byte()
    how = flags & HOW
    if how == ABSENT:
        return None
    present = None
    if flags & PARTIAL:
        packed = np.frombuffer(reader.take((count + 7) // 8), np.uint8)
        present = np.unpackbits(packed, count=count, bitorder="little").astype(bool)
        count = int(present.sum())
        if not count:
            raise BlockBroken("A stored block has a column without values.")
    dtype: Any = np.uint64 if flags & UNSIGNED else np.int64
    if how == CONSTANT:
        value = reader.signed_varint() & 0xFFFF_FFFF_FFFF_FFFF
        same = np.full(count, value, np.uint64) if wanted else None
        return None if same is None else Column(same.view(dtype), present)
    length = reader.varint()
    if not wanted:
        reader.skip(length)
        return None
    body = reader.take(length)
    if how == STREAM:
        return _Stream(body, count, dtype, present)
    if how == FLOATS:
        planes = np.frombuffer(_inflate(body), np.uint8)
        if planes.size != 8 * count:
            raise BlockBroken("A stored block has another number of values than it says.")
        floats = np.ascontiguousarray(planes.reshape(8, count).T).view("<f8").reshape(-1)
        return Column(floats, present)
    if how == OBJECTS:
        return Column(_objects(body, count), present)
    raise BlockBroken("A stored block has a column of a form that this version does not know.")


def _objects(body: bytes, count: int) -> Array:
    try:
        kept = json.loads(_inflate(body))
    except ValueError as error:
        raise BlockBroken(f"A stored block holds no readable values: {error}") from error
    if not isinstance(kept, list) or len(kept) != count:
        raise BlockBroken("A stored block has another number of values than it says.")
    values = np.empty(count, object)
    values[:] = kept
    return values


def _inflate(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error as error:
        raise BlockBroken(f"A stored block can't be inflated: {error}") from error
