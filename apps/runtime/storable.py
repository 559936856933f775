"""Whatever came over the network → what a database and a JSON column can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MAX_COUNT = 2**63 - 1
"""Databases hold signed 64 bits. A larger count is an error: cutting it would be a lie."""

MAX_DEPTH = 6
MAX_KEY_CHARS = 255


def clean_text(value: str, *, most: int) -> str:
    """At most ``most`` characters, without NUL and lone surrogates, which can't be stored."""
    text = value[:most]
    if "\x00" in text:
        # PostgreSQL can store U+0000 neither in text nor in JSON.
        text = text.replace("\x00", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def storable_map(value: Mapping[Any, Any], *, items: int, text_chars: int) -> dict[str, Any]:
    """The map as plain JSON: at most ``items`` values in all, ``MAX_DEPTH`` levels deep.

    Texts are cut at ``text_chars``. What JSON can't say (NaN, an integer beyond 64 bits, a
    MessagePack extension) or is nested too deep becomes ``None``.
    """
    return _Cleaner(items, text_chars).map(value, MAX_DEPTH)


class _Cleaner:
    """Counts what it lets through, so that a wide tree is bounded as well as a deep one."""

    def __init__(self, items: int, text_chars: int) -> None:
        self._items_left = items
        self._text_chars = text_chars

    def map(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for key, item in value.items():
            if not self._admits():
                break
            name = key if isinstance(key, str) else bytes(key).decode("utf-8", "replace")
            cleaned[clean_text(name, most=MAX_KEY_CHARS)] = self._value(item, depth - 1)
        return cleaned

    def _list(self, value: list[Any], depth: int) -> list[Any]:
        cleaned: list[Any] = []
        for item in value:
            if not self._admits():
                break
            cleaned.append(self._value(item, depth - 1))
        return cleaned

    def _value(self, value: object, depth: int) -> Any:
        if isinstance(value, dict):
            return self.map(value, depth) if depth > 0 else None
        if isinstance(value, list):
            return self._list(value, depth) if depth > 0 else None
        return self._scalar(value)

    def _scalar(self, value: object) -> Any:
        if isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if -MAX_COUNT - 1 <= value <= MAX_COUNT else None
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, bytes):
            value = value[: self._text_chars].decode("utf-8", "replace")
        return clean_text(value, most=self._text_chars) if isinstance(value, str) else None

    def _admits(self) -> bool:
        self._items_left -= 1
        return self._items_left >= 0
