"""Statistics of one metric over many rows, as arrays. Figures are values, not steps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.history.aggregates.modes import Mode

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(slots=True, eq=False)
class GaugeTable:
    """`samples` is 0 where a row has no figure; the others are NaN there."""

    samples: Ints
    minimum: Floats
    maximum: Floats
    last: Floats
    total: Floats

    @classmethod
    def empty(cls, rows: int) -> GaugeTable:
        return cls(np.zeros(rows, np.int64), *(np.full(rows, np.nan) for _ in range(4)))

    def fill(self, members: Any, mode: Mode, found: Any, counts: Ints, scale: int) -> None:
        """Take the figures of rows of one mode, as stored."""
        own = found["samples"].astype(np.int64) if mode.is_counted else counts
        lowest = found["minimum"]
        self.samples[members] = own
        if mode.is_constant or mode.is_float:
            low = lowest.astype(np.float64)
            step = 1 if mode.is_float else scale
            self.minimum[members] = low / step
            self.maximum[members] = (low if mode.is_constant else found["maximum"]) / step
            self.last[members] = (low if mode.is_constant else found["last"]) / step
            self.total[members] = (low * own if mode.is_constant else found["total"]) / step
            return
        low = lowest.astype(np.float64)
        self.minimum[members] = low / scale
        self.maximum[members] = (low + found["maximum"]) / scale
        self.last[members] = (low + found["last"]) / scale
        self.total[members] = (low * own + found["total"]) / scale


@dataclass(slots=True, eq=False)
class CounterTable:
    """`known` is false where a row has no reading; the others are 0 there."""

    known: npt.NDArray[np.bool_]
    first: npt.NDArray[np.uint64]
    last: npt.NDArray[np.uint64]
    increase: npt.NDArray[np.uint64]
    span_ms: Ints
    first_ms: Ints
    last_ms: Ints
    boot_first: Ints
    boot_last: Ints
    intervals: Ints
    min_rate: Floats
    max_rate: Floats

    @classmethod
    def empty(cls, rows: int) -> CounterTable:
        types: dict[str, Any] = {"known": np.bool_, "min_rate": np.float64, "max_rate": np.float64}
        types |= dict.fromkeys(("first", "last", "increase"), np.uint64)
        arrays: Any = {
            field.name: np.zeros(rows, types.get(field.name, np.int64)) for field in fields(cls)
        }
        return cls(**arrays)

    def fill(self, members: Any, found: Any, starts_ms: Ints) -> None:
        """Take the figures of rows of one mode, as stored."""
        names = found.dtype.names if hasattr(found, "dtype") else found.keys()
        self.known[members] = True
        for name in ("first", "span_ms", "boot_first", "boot_last", "intervals"):
            getattr(self, name)[members] = found[name]
        self.first_ms[members] = starts_ms + found["first_ms"]
        self.last_ms[members] = starts_ms + found["last_ms"]
        self.last[members] = found["last"] if "last" in names else found["first"]
        for name in ("increase", "min_rate", "max_rate"):
            if name in names:
                getattr(self, name)[members] = found[name]
