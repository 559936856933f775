"""In how many bytes each statistic of a gauge is stored: a mode is one byte.

The minimum is stored as it is, the maximum and the last as their distance from it, the
total as its distance from count × minimum, each in 1, 2, 4 or 8 bytes. Statistics that
are no whole numbers, or too large, are stored as floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from apps.history.errors import BlockBroken

ABSENT = 0
CONSTANT = 1
"""1–5: one value of that base width stands for all four, and the row's count for its own."""
CONSTANT_FLOAT = 6
FLOATS, FLOATS_COUNTED = 7, 8
FULL = 10
LAST_FULL = 169
COUNTER_STILL, COUNTER = 200, 201

BASES = ("<u1", "<u2", "<u4", "<u8", "<i8")
WIDTHS = ("<u1", "<u2", "<u4", "<u8")


@dataclass(frozen=True, slots=True)
class Mode:
    """`fields`: name and type of what is stored, in order."""

    number: int
    fields: tuple[tuple[str, str], ...]

    @property
    def is_float(self) -> bool:
        return self.number in (CONSTANT_FLOAT, FLOATS, FLOATS_COUNTED)

    @property
    def is_constant(self) -> bool:
        return CONSTANT <= self.number <= CONSTANT_FLOAT

    @property
    def is_counter(self) -> bool:
        return self.number in (COUNTER_STILL, COUNTER)

    @property
    def is_counted(self) -> bool:
        """Has a count of its own, because it differs from the row's."""
        return any(name == "samples" for name, _ in self.fields)

    @property
    def size(self) -> int:
        return np.dtype(list(self.fields)).itemsize if self.fields else 0


_ENDS = (
    ("span_ms", "<u4"),
    ("first_ms", "<u4"),
    ("last_ms", "<u4"),
    ("boot_first", "<u2"),
    ("boot_last", "<u2"),
    ("intervals", "<u4"),
)


@lru_cache(maxsize=256)
def mode_get(number: int) -> Mode:
    """The mode of that number. Raises BlockBroken."""
    return Mode(number, _fields(number))


def _fields(number: int) -> tuple[tuple[str, str], ...]:
    if number == ABSENT:
        return ()
    if number <= len(BASES):
        return (("minimum", BASES[number - CONSTANT]),)
    if number == CONSTANT_FLOAT:
        return (("minimum", "<f8"),)
    if number in (FLOATS, FLOATS_COUNTED):
        four = tuple((name, "<f8") for name in ("minimum", "maximum", "last", "total"))
        return four if number == FLOATS else (*four, ("samples", "<u4"))
    if FULL <= number <= LAST_FULL:
        rest, counted = divmod(number - FULL, 2)
        rest, total = divmod(rest, 4)
        base, offset = divmod(rest, 4)
        fields = (
            ("minimum", BASES[base]),
            ("maximum", WIDTHS[offset]),
            ("last", WIDTHS[offset]),
            ("total", WIDTHS[total]),
        )
        return (*fields, ("samples", "<u4")) if counted else fields
    if number == COUNTER_STILL:
        return (("first", "<u8"), *_ENDS)
    if number == COUNTER:
        return (
            ("first", "<u8"),
            *_ENDS,
            ("last", "<u8"),
            ("increase", "<u8"),
            ("min_rate", "<f4"),
            ("max_rate", "<f4"),
        )
    raise BlockBroken(f"A stored row has a mode ({number}) that this version does not know.")


def base_code(lowest: int, highest: int) -> int | None:
    """Which of BASES holds both; ``None``: none does."""
    if lowest >= 0:
        return width_code(highest)
    return 4 if lowest >= -(2**63) and highest < 2**63 else None


def width_code(highest: int) -> int | None:
    """Which of WIDTHS holds a number ≥ 0; ``None``: none does."""
    if highest < 0x1_0000:
        return 0 if highest < 0x100 else 1
    if highest < 0x1_0000_0000:
        return 2
    return 3 if highest < 0x1_0000_0000_0000_0000 else None


def full_mode(base: int, offset: int, total: int, *, counted: bool) -> int:
    return FULL + ((base * 4 + offset) * 4 + total) * 2 + counted
