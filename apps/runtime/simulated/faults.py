"""What can go wrong with a simulated node, on cue, and with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Value = str | int | float


class Fault(StrEnum):
    """Each can be set and cleared while the node runs; several may be set at once."""

    SLOW = "slow"
    """Answers `seconds` late."""
    HUNG = "hung"
    """Accepts, shakes hands, holds every request; answers all of them once it is cleared."""
    FROZEN = "frozen"
    """As a paused process to a new connection: TCP accepts, ZeroMQ never shakes hands."""
    SILENT = "silent"
    """Takes requests and drops them for good."""
    REFUSES = "refuses"
    """The client port is closed."""
    RETURN_CODE = "return_code"
    """Answers `code` and an empty map."""
    TRUNCATED = "truncated"
    """Sends only the first `fraction` of each reply."""
    LENGTH_LIE = "length_lie"
    """A length or count that the reply does not hold; `kind` one of `LIES`."""
    HUGE = "huge"
    """A reply of `size_bytes`, all of them sent, and well formed."""
    CLOCK_SKEW = "clock_skew"
    """Wall clock off by `seconds`."""
    HOSTILE_NAMES = "hostile_names"
    """Names and texts that attack whoever shows them; `kind` one of `HOSTILE`."""
    MISSING_KEY = "missing_key"
    """Leaves out `key`; without one, the first that matters of each query."""
    EXTRA_KEY = "extra_key"
    """Adds `key`, as a newer runtime would."""
    WRONG_TYPE = "wrong_type"
    """Gives `key` a value of another type."""
    EMPTY_ENTRY = "empty_entry"
    """The last map of an array is empty: the worker is gone, the sample overwritten."""
    SHORT_ARRAY = "short_array"
    """An array announces one entry more than follows."""
    NO_STATS = "no_stats"
    """bdev_stats: stats nil, and the pool's name where its id should be."""
    DUPLICATE = "duplicate"
    """Sends each reply `copies` times."""
    OUT_OF_ORDER = "out_of_order"
    """Holds every other reply for `seconds`, so that later ones overtake it."""


LIES = ("count", "part", "stream", "array", "string")
HOSTILE = ("html", "long", "bidi", "nul")

_PARAMETERS: dict[Fault, dict[str, Value]] = {
    Fault.SLOW: {"seconds": 1.0},
    Fault.RETURN_CODE: {"code": 1},
    Fault.TRUNCATED: {"fraction": 0.5},
    Fault.LENGTH_LIE: {"kind": "count"},
    Fault.HUGE: {"size_bytes": 64 * 1024 * 1024},
    Fault.CLOCK_SKEW: {"seconds": 3_600.0},
    Fault.HOSTILE_NAMES: {"kind": "html"},
    Fault.MISSING_KEY: {"key": ""},
    Fault.EXTRA_KEY: {"key": "added_by_a_newer_release"},
    Fault.WRONG_TYPE: {"key": ""},
    Fault.DUPLICATE: {"copies": 3},
    Fault.OUT_OF_ORDER: {"seconds": 0.2},
}
_CHOICES: dict[Fault, tuple[str, ...]] = {
    Fault.LENGTH_LIE: LIES,
    Fault.HOSTILE_NAMES: HOSTILE,
}
_LIMIT = 10**9
_LIMITS = {"size_bytes": 2**30, "copies": 1_000, "code": 2**32 - 1}
_WHOLE_NODE = (Fault.HUNG, Fault.FROZEN, Fault.SILENT, Fault.REFUSES)


@dataclass(frozen=True, slots=True)
class FaultSetting:
    """A fault with its parameters. ``query`` limits it to one query name; empty: all."""

    fault: Fault
    values: Mapping[str, Value]
    query: str = ""

    def applies(self, query: str) -> bool:
        return not self.query or self.query == query

    def number(self, name: str) -> float:
        return float(self.values[name])

    def text(self, name: str) -> str:
        return str(self.values[name])


def fault_setting(fault: Fault, given: Mapping[str, Value]) -> FaultSetting:
    """A fault with defaults filled in. Raises ValueError for a parameter it does not have."""
    values = dict(_PARAMETERS.get(fault, {}))
    rest = dict(given)
    query = "" if fault in _WHOLE_NODE else str(rest.pop("query", ""))
    for name, value in rest.items():
        if name not in values:
            known = ", ".join((*values, *(() if fault in _WHOLE_NODE else ("query",))))
            raise ValueError(f"fault {fault} has no parameter {name!r}; it has: {known or 'none'}")
        try:
            values[name] = type(values[name])(value)
        except (TypeError, ValueError, OverflowError):
            kind = type(values[name]).__name__
            raise ValueError(f"{name} of fault {fault} must be {kind}, got {value!r}") from None
    for name, value in values.items():
        limit = _LIMITS.get(name, _LIMIT)
        # Written so that NaN fails as well.
        if not isinstance(value, str) and not -limit <= value <= limit:
            raise ValueError(f"{name} of fault {fault} must be within ±{limit:,}, got {value}")
    choices = _CHOICES.get(fault)
    if choices and values["kind"] not in choices:
        raise ValueError(f"kind of fault {fault} must be one of {', '.join(choices)}")
    return FaultSetting(fault, values, query)
