"""One map of an answer, read key by key, with every value held to its type and range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from apps.runtime.errors import ContractBroken
from apps.runtime.storable import MAX_COUNT, clean_text, storable_map
from apps.runtime.types import Target

MAX_ID = 2**31 - 1
MAX_NAME_CHARS = 255
MAX_DOCUMENT_CHARS = 64 * 1024
EXTRA_ITEMS = 64
EXTRA_TEXT_CHARS = 1024

PERCENT_ROUNDING = 0.01
"""A 32-bit percentage may end a hair above 100 by rounding alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which answer we are reading: what an error has to name."""

    target: Target
    query: str
    entry: str = ""

    def broken(self, problem: str, *, remedy: str | None = None) -> ContractBroken:
        entry = f", {self.entry}" if self.entry else ""
        return ContractBroken(f"{self.target}, {self.query}{entry}: {problem}.", remedy=remedy)

    def at(self, entry: str) -> Place:
        inside = f"{self.entry}, {entry}" if self.entry else entry
        return Place(self.target, self.query, inside)


class Fields:
    """Takes the known keys out of a map one by one; `rest` is what no one asked for.

    A key that must be there and is not, a wrong type and a count out of range raise
    `ContractBroken` naming node, query and key. A figure that is no number (NaN,
    infinite, a percentage outside 0 to 100) is ``None``: not known.
    """

    __slots__ = ("_left", "_place")

    def __init__(self, raw: object, place: Place) -> None:
        if not isinstance(raw, dict):
            raise place.broken(f"expected a map, got {type_name(raw)}")
        self._left: dict[Any, Any] = dict(raw)
        self._place = place

    def count(self, key: str, *, most: int = MAX_COUNT) -> int:
        return self._checked_count(key, self._take(key), most)

    def identifier(self, key: str) -> int:
        return self.count(key, most=MAX_ID)

    def optional_count(self, key: str, *, most: int = MAX_COUNT) -> int | None:
        """``None`` where the key is missing or nil."""
        value = self._left.pop(key, None)
        return None if value is None else self._checked_count(key, value, most)

    def flag(self, key: str) -> bool:
        value = self._take(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "a boolean", value)
        return value

    def figure(self, key: str) -> float | None:
        """A number of at least 0, or ``None`` when what came is none."""
        value = self._number(key)
        return value if value is not None and value >= 0 else None

    def percentage(self, key: str) -> float | None:
        value = self.figure(key)
        if value is None or value > 100 + PERCENT_ROUNDING:
            return None
        return min(value, 100.0)

    def text(self, key: str, *, most: int = MAX_NAME_CHARS) -> str:
        """Storable text, cut to ``most`` characters."""
        value = self._take(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a string", value)
        return clean_text(value, most=most)

    def optional_document(self, key: str) -> str | None:
        """A document as text; ``None`` where it is missing or longer than ``MAX_DOCUMENT_CHARS``.

        Half a document can't be read by anyone, so a long one is not cut.
        """
        value = self._left.pop(key, None)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._wrong(key, "a string", value)
        return (
            None if len(value) > MAX_DOCUMENT_CHARS else clean_text(value, most=MAX_DOCUMENT_CHARS)
        )

    def raw(self, key: str) -> Any:
        return self._take(key)

    def rest(self) -> dict[str, Any]:
        """Keys that nobody took, made storable and bounded."""
        if not self._left:
            return {}
        return storable_map(self._left, items=EXTRA_ITEMS, text_chars=EXTRA_TEXT_CHARS)

    def _take(self, key: str) -> Any:
        try:
            return self._left.pop(key)
        except KeyError:
            raise self._place.broken(f"the key {key!r} is missing") from None

    def _number(self, key: str) -> float | None:
        value = self._take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number", value)
        number = float(value)
        return number if math.isfinite(number) else None

    def _checked_count(self, key: str, value: object, most: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "a whole number", value)
        if not 0 <= value <= most:
            raise self._place.broken(f"{key!r} is {value}, outside 0 to {most}")
        return value

    def _wrong(self, key: str, expected: str, value: object) -> ContractBroken:
        return self._place.broken(f"{key!r} must be {expected}, got {type_name(value)}")


def type_name(value: object) -> str:
    """The wire's word for a value's type, for error messages."""
    names = {dict: "a map", list: "an array", str: "a string", bytes: "bytes", type(None): "nil"}
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a fraction"
    return names.get(type(value), type(value).__name__)
