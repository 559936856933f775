"""The values of one metric, in memory.

Floats of a metric with a resolution are held as whole numbers of its smallest step, as
they are stored. Values that have no such form (NaN, infinities, numbers too large for
64 bits) are held as they are. The form depends on the values alone, never on how or in
what order they came.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.history.errors import SamplesWrong

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

EXACT = 2**53
"""Whole numbers up to here are exact as floats."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One value per sample, or fewer where `present` says which samples have one.

    `values`: int64 or uint64 (steps of the metric's scale), float64 or object (as they are).
    """

    values: Array
    present: Bools | None = None
    """``None``: all samples have a value."""


def column_of(values: Sequence[Any], scale: int) -> Column | None:
    """Values → a column; ``None`` when none is known. Raises SamplesWrong for what is no number."""
    try:
        plain = np.array(values)
    except (ValueError, OverflowError):
        return _column_of_mixed(values, scale)
    if plain.ndim != 1:
        raise SamplesWrong("A metric's values must be a flat list of numbers.")
    if not plain.size:
        return None
    if plain.dtype.kind == "b" or (scale == 1 and plain.dtype.kind == "i"):
        return Column(plain.astype(np.int64) * scale)
    if scale > 1 and plain.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            steps = np.rint(plain * scale)
            if (np.abs(steps) < EXACT).all():  # false for NaN, too
                return Column(steps.astype(np.int64))
    return _column_of_mixed(values, scale)


def _column_of_mixed(values: Sequence[Any], scale: int) -> Column | None:
    known = [value is not None for value in values]
    kept = [_number(value, scale) for value in values if value is not None]
    if not kept:
        return None
    present = None if all(known) else np.array(known)
    return Column(_form(kept, scale), present)


def _number(value: Any, scale: int) -> int | float:
    """A plain number, floats on the metric's steps where they have one."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, int):
        # A float where that loses nothing, so that 1 and 1.0 are one value.
        return float(value) if scale > 1 and abs(value) < EXACT // scale else value
    if not isinstance(value, float):
        raise SamplesWrong(f"{value!r} is no number; a value that is not known is None.")
    if scale == 1:
        return int(value) if math.isfinite(value) and value == int(value) else value
    # Twice: what comes out of here must come out of here unchanged.
    steps = value * scale
    return round(steps) / scale if abs(steps) < EXACT else value


def _form(kept: list[int | float], scale: int) -> Array:
    whole = all(isinstance(value, int) for value in kept)
    if scale == 1 and whole:
        lowest, highest = min(kept), max(kept)
        if lowest >= -(2**63) and highest < 2**63:
            return np.array(kept, np.int64)
        if lowest >= 0 and highest < 2**64:
            return np.array(kept, np.uint64)
    if all(isinstance(value, float) for value in kept):
        floats = np.array(kept, np.float64)
        if scale > 1:
            with np.errstate(over="ignore", invalid="ignore"):
                steps = np.rint(floats * scale)
                if (np.abs(steps) < EXACT).all():
                    return steps.astype(np.int64)
        return floats
    mixed = np.empty(len(kept), object)
    mixed[:] = kept
    return mixed


def column_values(column: Column | None, count: int, scale: int) -> list[float | int | None]:
    """A column → plain Python values, ``None`` where not known."""
    if column is None:
        return [None] * count
    steps = column.values
    if scale > 1 and steps.dtype.kind in "iu":
        steps = steps / scale
    kept: list[float | int | None] = steps.tolist()
    if column.present is None:
        return kept
    rest = iter(kept)
    return [next(rest) if known else None for known in column.present.tolist()]


def column_take(column: Column | None, places: npt.NDArray[np.intp]) -> Column | None:
    """The column of these samples, in this order."""
    if column is None:
        return None
    if column.present is None:
        return Column(column.values[places])
    present = column.present[places]
    if not present.any():
        return None
    index = np.cumsum(column.present) - 1
    return Column(column.values[index[places][present]], None if present.all() else present)


def columns_join(
    columns: Sequence[Column | None], counts: Sequence[int], scale: int
) -> Column | None:
    """Columns one after the other, as one."""
    given = [column for column in columns if column is not None]
    if not given:
        return None
    kinds = {column.values.dtype.kind for column in given}
    if len(kinds) == 1 and kinds <= {"i", "u"}:
        values = np.concatenate([column.values for column in given])
        if len(given) == len(columns) and all(column.present is None for column in given):
            return Column(values)
        present = np.concatenate(
            [_presence(column, count) for column, count in zip(columns, counts, strict=True)]
        )
        return Column(values, present)
    return column_of(
        [
            value
            for column, count in zip(columns, counts, strict=True)
            for value in column_values(column, count, scale)
        ],
        scale,
    )


def _presence(column: Column | None, count: int) -> Bools:
    if column is None:
        return np.zeros(count, bool)
    return np.ones(count, bool) if column.present is None else column.present


def finite_values(column: Column) -> tuple[Array, Bools]:
    """→ the figures among the values, in order (in steps where they are whole; else floats of
    the value itself), and which samples have one. NaN and infinities are no figures."""
    values = column.values
    present = column.present
    if values.dtype.kind in "iu":
        return values, np.ones(values.size, bool) if present is None else present
    floats = np.array([_float(value) for value in values.tolist()], np.float64)
    finite = np.isfinite(floats)
    which = np.ones(floats.size, bool) if present is None else present.copy()
    which[which] = finite
    return floats[finite], which


def _float(value: float | int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.nan
