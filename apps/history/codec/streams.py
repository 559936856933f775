"""Rows of whole numbers ↔ bits (Rice coding), many rows at once.

A row is first made small: its common divisor is taken out, and of three views (distance
from its minimum, differences, differences of differences) the one that needs the fewest
bits is taken. Of each number the lowest k bits are stored as they are and the rest as so
many zeros and a one. Noise, which is what most figures are made of, comes within some
percent of its entropy; a general compressor needs its tables first, which a minute of
samples does not pay for. Rows that stand still but for rare steps are stored as the
steps and the distances between them.

All arithmetic is modulo 2**64, so every 64-bit pattern comes back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.history.codec.varint import ByteReader, varint
from apps.history.errors import BlockBroken

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

PLAIN, DIFFERENCES, SECOND_DIFFERENCES = 0, 1, 2
SPARSE = 4
"""Flag beside the view."""

ESCAPE = 24
"""So many zeros say that the number follows as 64 bits, apart."""

K_CANDIDATES = (-2, -1, 0, 1)
"""Which k to weigh, around the length of the middle number."""

ROWS_AT_ONCE = 4096
LARGEST_K = 63
MASK = 0xFFFF_FFFF_FFFF_FFFF
FLAGS = tuple(view | sparse for view in (0, 1, 2) for sparse in (0, SPARSE))
MOST = np.iinfo(np.int64).max


def rows_pack(rows: npt.NDArray[Any], *, signed: bool) -> list[bytes]:
    """Each row of a matrix with at least one column → bytes. Rows are `int64` or `uint64`."""
    out: list[bytes] = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        out += _pack(rows[start : start + ROWS_AT_ONCE], signed=signed)
    return out


def _pack(rows: npt.NDArray[Any], *, signed: bool) -> list[bytes]:
    lowest = rows.min(axis=1)
    above = rows.view(np.uint64) - lowest.view(np.uint64)[:, None]
    divisor = np.gcd.reduce(above, axis=1)
    divisor[divisor == 0] = 1
    if (divisor > 1).any():
        above //= divisor[:, None]
    views: list[tuple[int, U64]] = [(PLAIN, above)]
    if rows.shape[1] > 1:
        steps = _wrapping_differences(above)
        views.append((DIFFERENCES, zigzag(steps.view(np.int64))))
        if rows.shape[1] > 2:
            second = _wrapping_differences(steps)
            views.append((SECOND_DIFFERENCES, zigzag(second.view(np.int64))))
    best_bits = np.full(len(rows), MOST, np.int64)
    best_view = np.zeros(len(rows), np.int64)
    best_k = np.zeros(len(rows), np.int64)
    for place, (_, numbers) in enumerate(views):
        k, bits = _best_k(numbers)
        better = bits < best_bits
        best_bits[better], best_view[better], best_k[better] = bits[better], place, k[better]
    bodies: list[bytes] = [b""] * len(rows)
    for place, (view, numbers) in enumerate(views):
        chosen = np.flatnonzero(best_view == place)
        if not chosen.size:
            continue
        rest = numbers[chosen]
        for row, body in zip(
            chosen.tolist(), _view_pack(view, rest, best_k[chosen], best_bits[chosen]), strict=True
        ):
            bodies[row] = body
    low, divisors = lowest.tolist(), divisor.tolist()
    first = above[:, 0].tolist()
    second_of = above[:, 1].tolist() if rows.shape[1] > 1 else first
    kinds = best_view.tolist()
    out = []
    for row, body in enumerate(bodies):
        number = low[row]
        base = varint(number << 1 if number >= 0 else (-number << 1) - 1)
        head = base + varint(divisors[row])
        if kinds[row] >= DIFFERENCES:
            head += varint(first[row])
        if kinds[row] == SECOND_DIFFERENCES:
            head += varint(second_of[row])
        out.append(body[:1] + head + body[1:])
    return out


def _wrapping_differences(numbers: U64) -> U64:
    return numbers[:, 1:] - numbers[:, :-1]


def zigzag(numbers: I64) -> U64:
    """Small numbers either side of 0 → small numbers."""
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def unzigzag(numbers: U64) -> I64:
    one = np.uint64(1)
    return ((numbers >> one) ^ (np.uint64(0) - (numbers & one))).view(np.int64)


def _bit_length(numbers: U64) -> I64:
    """Bits that each number needs; right to one bit above 2**53, which is near enough."""
    return np.frexp(numbers.astype(np.float64))[1].astype(np.int64)


def _best_k(numbers: U64) -> tuple[I64, I64]:
    """→ for each row its best k and the bits that takes."""
    count = numbers.shape[1]
    middle = np.partition(numbers, count // 2, axis=1)[:, count // 2]
    length = _bit_length(middle)
    best_k = np.zeros(len(numbers), np.int64)
    best_bits = np.full(len(numbers), MOST, np.int64)
    for offset in K_CANDIDATES:
        k = np.minimum(np.maximum(length + offset, 0), 63)
        upper = numbers >> k.astype(np.uint64)[:, None]
        escaped = upper >= ESCAPE
        bits = np.where(escaped, ESCAPE + 64, upper.astype(np.int64)).sum(axis=1) + count * (k + 1)
        better = bits < best_bits
        best_bits[better], best_k[better] = bits[better], k[better]
    return best_k, best_bits


def _view_pack(view: int, numbers: U64, k: I64, bits: I64) -> list[bytes]:
    """One view of some rows → flags and bits of each."""
    count = numbers.shape[1]
    zeros = (numbers == 0).sum(axis=1)
    # Worth a look where most numbers are 0 and yet more than a bit or two is spent on each.
    sparse = (zeros * 2 > count) & ((bits > 2 * count) | (zeros * 10 > count * 9)) & (count > 8)
    out: list[bytes] = [b""] * len(numbers)
    dense = np.flatnonzero(~sparse)
    flag = bytes([view])
    for row, body in zip(dense.tolist(), rice_pack(numbers[dense], k[dense]), strict=True):
        out[row] = flag + body
    flag = bytes([view | SPARSE])
    filled = count - zeros
    for size in np.unique(filled[sparse]).tolist():
        rows = np.flatnonzero(sparse & (filled == size))
        for row, body in zip(rows.tolist(), _sparse_pack(numbers[rows], size), strict=True):
            out[row] = flag + body
    return out


def _sparse_pack(numbers: U64, filled: int) -> list[bytes]:
    """Rows that have `filled` numbers other than 0 each → where those are, and what."""
    head = varint(filled)
    if not filled:
        return [head] * len(numbers)
    rows, places = np.nonzero(numbers)
    where = places.astype(np.uint64).reshape(-1, filled)
    gaps = np.concatenate((where[:, :1], where[:, 1:] - where[:, :-1]), axis=1)
    values = (numbers[rows, places] - np.uint64(1)).reshape(-1, filled)
    bodies = [rice_pack(part, _best_k(part)[0]) for part in (gaps, values)]
    return [
        head + varint(len(gap)) + gap + varint(len(value)) + value
        for gap, value in zip(*bodies, strict=True)
    ]


def rice_pack(numbers: U64, k: I64) -> list[bytes]:
    """Each row with its k → k, the ends of the runs of zeros, the low bits, the escaped."""
    rows, count = numbers.shape
    if not rows:
        return []
    upper = numbers >> k.astype(np.uint64)[:, None]
    escaped = upper >= ESCAPE
    runs = np.where(escaped, ESCAPE, upper.astype(np.int64))
    ends = np.cumsum(runs + 1, axis=1) - 1
    run_bytes = (ends[:, -1] + 8) // 8
    low_bytes = (k * count + 7) // 8
    sizes = run_bytes + low_bytes
    starts = np.concatenate(([0], np.cumsum(sizes)))
    bits = np.zeros(int(starts[-1]) * 8, np.uint8)
    bits[(ends + (starts[:-1] * 8)[:, None]).ravel()] = 1
    low_start = (starts[:-1] + run_bytes) * 8
    columns = np.arange(count, dtype=np.int64)
    for bit in range(int(k.max())):
        has = np.flatnonzero(k > bit)
        part = numbers if has.size == rows else numbers[has]
        at = low_start[has][:, None] + columns[None, :] * k[has][:, None] + bit
        bits[at] = (part >> np.uint64(bit)).astype(np.uint8) & 1
    data = np.packbits(bits, bitorder="little").tobytes()
    offsets = starts.tolist()
    has_escape: list[bool] = np.any(escaped, axis=1).tolist()
    ks = k.tolist()
    out = []
    for row in range(rows):
        body = bytes([ks[row]]) + data[offsets[row] : offsets[row + 1]]
        if has_escape[row]:
            body += numbers[row][escaped[row]].astype("<u8").tobytes()
        out.append(body)
    return out


def rice_unpack(bodies: Sequence[bytes], count: int) -> U64:
    """What `rice_pack` made of rows of `count` ≥ 1 numbers → a matrix of the numbers."""
    if not all(bodies) or max(body[0] for body in bodies) > LARGEST_K:
        raise BlockBroken("A stored block holds numbers that can't be read.")
    k = np.array([body[0] for body in bodies], np.int64)
    sizes = np.array([len(body) - 1 for body in bodies], np.int64)
    starts = (np.cumsum(sizes) - sizes) * 8
    joined = np.frombuffer(b"".join([body[1:] for body in bodies]), np.uint8)
    bits = np.unpackbits(joined, bitorder="little")
    ones = np.flatnonzero(bits)
    first = np.searchsorted(ones, starts)
    if int(first[-1]) + count > ones.size:
        raise BlockBroken("A stored block ends too early.")
    ends = ones[first[:, None] + np.arange(count)]
    runs = np.diff(ends, axis=1, prepend=(starts - 1)[:, None]) - 1
    low_start = starts + ((ends[:, -1] - starts) + 8) // 8 * 8
    low_end = low_start + (k * count + 7) // 8 * 8
    if (low_end > starts + sizes * 8).any() or (runs > ESCAPE).any():
        raise BlockBroken("A stored block ends too early.")
    numbers: U64 = runs.astype(np.uint64) << k.astype(np.uint64)[:, None]
    columns = np.arange(count, dtype=np.int64)
    for bit in range(int(k.max())):
        has = np.flatnonzero(k > bit)
        at = low_start[has][:, None] + columns[None, :] * k[has][:, None] + bit
        numbers[has] |= bits[at].astype(np.uint64) << np.uint64(bit)
    escaped = runs == ESCAPE
    for row in np.flatnonzero(escaped.any(axis=1)).tolist():
        places = escaped[row]
        rest = bodies[row][1 + int(low_end[row] - starts[row]) // 8 :]
        if len(rest) != 8 * int(places.sum()):
            raise BlockBroken("A stored block ends too early.")
        numbers[row, places] = np.frombuffer(rest, "<u8")
    return numbers


@dataclass(frozen=True, slots=True)
class _Head:
    """The front of a packed row."""

    flags: int
    base: int
    divisor: int
    first: tuple[int, ...]
    body: bytes


def rows_unpack(rows: Sequence[bytes], count: int) -> list[U64]:
    """What `rows_pack` made of rows of `count` numbers → their 64-bit patterns."""
    heads = [_head(row) for row in rows]
    out: list[U64] = [np.zeros(0, np.uint64)] * len(rows)
    for view in (PLAIN, DIFFERENCES, SECOND_DIFFERENCES):
        for sparse in (0, SPARSE):
            chosen = [i for i, head in enumerate(heads) if head.flags == view | sparse]
            if not chosen:
                continue
            bodies = [heads[i].body for i in chosen]
            length = count - view
            if length <= 0:
                numbers = np.zeros((len(chosen), 0), np.uint64)
            elif sparse:
                numbers = _sparse_unpack(bodies, length)
            else:
                numbers = rice_unpack(bodies, length)
            above = _undo(view, numbers, [heads[i].first for i in chosen])
            above *= np.array([heads[i].divisor for i in chosen], np.uint64)[:, None]
            above += np.array([heads[i].base for i in chosen], np.uint64)[:, None]
            for place, i in enumerate(chosen):
                out[i] = above[place]
    if any(head.flags not in FLAGS for head in heads):
        raise BlockBroken("A stored block has numbers of a form that this version does not know.")
    return out


def _head(row: bytes) -> _Head:
    reader = ByteReader(row)
    flags = reader.byte()
    base = reader.signed_varint() & MASK
    divisor = reader.varint() & MASK
    first = tuple(reader.varint() & MASK for _ in range(flags & 3))
    return _Head(flags, base, divisor, first, row[reader.place :])


def _undo(view: int, numbers: U64, first: Sequence[tuple[int, ...]]) -> U64:
    if view == PLAIN:
        return numbers
    steps = unzigzag(numbers).view(np.uint64)
    if view == SECOND_DIFFERENCES:
        start = np.array([(one[1] - one[0]) & MASK for one in first], np.uint64)
        steps = _sums(start, steps)
    begin = np.array([one[0] for one in first], np.uint64)
    return _sums(begin, steps)


def _sums(start: U64, steps: U64) -> U64:
    """Running sums of each row, modulo 2**64, from its start."""
    whole: U64 = np.concatenate((start[:, None], steps), axis=1)
    return np.cumsum(whole, axis=1, dtype=np.uint64)


def _sparse_unpack(bodies: Sequence[bytes], count: int) -> U64:
    numbers = np.zeros((len(bodies), count), np.uint64)
    alike: dict[int, list[tuple[int, bytes, bytes]]] = defaultdict(list)
    for row, body in enumerate(bodies):
        reader = ByteReader(body)
        filled = reader.varint()
        if filled > count:
            raise BlockBroken("A stored block names a place beyond its end.")
        if filled:
            gaps = reader.take(reader.varint())
            alike[filled].append((row, gaps, reader.take(reader.varint())))
    for filled, parts in alike.items():
        gaps_of = rice_unpack([gaps for _, gaps, _ in parts], filled)
        values = rice_unpack([values for _, _, values in parts], filled)
        places = np.cumsum(gaps_of, axis=1).astype(np.int64)
        if int(places.min()) < 0 or int(places.max()) >= count:
            raise BlockBroken("A stored block names a place beyond its end.")
        numbers[np.array([row for row, _, _ in parts])[:, None], places] = values + np.uint64(1)
    return numbers
