"""Arrays of figures → JSON's own numbers. Not known is ``None``."""

from __future__ import annotations

import numpy as np

from apps.history.types import Floats, Ints

DECIMALS = 3
"""Enough for what is stored, and an answer half the size of one with all digits."""


def numbers(values: Floats) -> list[float | int | None]:
    """Rounded; whole where all of them are."""
    known = np.isfinite(values)
    rounded = np.round(values, DECIMALS)
    listed = rounded.astype(object)
    if bool(np.all(rounded[known] == np.trunc(rounded[known]))):
        listed[known] = rounded[known].astype(np.int64)
    listed[~known] = None
    found: list[float | int | None] = listed.tolist()
    return found


def number(value: float) -> float | int | None:
    """One figure, as `numbers` writes it."""
    return numbers(np.array([value]))[0]


def times_s(starts_ms: Ints) -> list[int | float]:
    """Unix seconds, whole where they are."""
    if starts_ms.size and bool(np.any(starts_ms % 1000)):
        found: list[int | float] = (starts_ms / 1000).tolist()
        return found
    whole: list[int | float] = (starts_ms // 1000).tolist()
    return whole
