"""A device's health and failure prediction, which the runtime gives as JSON text, made readable."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MAX_PAIRS = 60
MAX_TEXT_CHARS = 20_000
_UNITS = {"c": "°C", "pct": "%", "h": "h", "hours": "h", "days": "days", "s": "s", "bytes": "bytes"}


@dataclass(frozen=True, slots=True)
class Readable:
    """`pairs` of label and value, or `raw` when the text is no JSON object; or nothing."""

    pairs: list[tuple[str, Any]]
    raw: str = ""

    def __bool__(self) -> bool:
        return bool(self.pairs or self.raw)


def health_read(text: str | None) -> Readable:
    """Nested objects become "outer, inner" labels; a text that can't be read is kept as it is."""
    if not text:
        return Readable([])
    if len(text) > MAX_TEXT_CHARS:
        return Readable([], f"{text[:200]}… ({len(text)} characters)")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Readable([], text[:500])
    if not isinstance(value, dict):
        return Readable([], "" if value is None else text[:500])
    pairs: list[tuple[str, Any]] = []
    _collect(value, "", pairs, depth=0)
    return Readable(pairs[:MAX_PAIRS])


def _collect(value: dict[str, Any], prefix: str, pairs: list[tuple[str, Any]], depth: int) -> None:
    for key, item in value.items():
        label = f"{prefix}{_label(key)}"
        if isinstance(item, dict) and item and depth < 3:
            _collect(item, f"{label}, ", pairs, depth + 1)
        else:
            pairs.append((label, _shown(item)))


def _label(key: str) -> str:
    words = key.split("_")
    unit = _UNITS.get(words[-1]) if len(words) > 1 else None
    name = " ".join(words[:-1] if unit else words)
    return f"{name} ({unit})" if unit else name


def _shown(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, str | int | float):
        return value
    return json.dumps(value, ensure_ascii=False)
