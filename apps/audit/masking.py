"""Secrets never enter the trail: values under a telling key are replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "••••••"
_SECRET_KEY = re.compile(
    r"pass(word|phrase|wd)?|secret|token|credential|private|api_?key|access_?key|digest|cookie",
    re.IGNORECASE,
)


def masked(value: Any, *, key: str = "") -> Any:
    """A copy of a JSON value with each secret's text replaced by dots; NULs and the like too."""
    if isinstance(value, Mapping):
        return {str(k): masked(v, key=str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, key=key) for item in value]
    if value is not None and not isinstance(value, bool) and _SECRET_KEY.search(key):
        return MASK
    return value.replace("\x00", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
