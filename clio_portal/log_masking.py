"""The last thing before a line of the log is written: no secret may be in it.

Nothing of the portal logs a secret on purpose. This is for what comes from outside, in the
text of an error, say: known secrets of this process, passwords in URLs, and values that
stand under a telling name.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

MASK = "••••••"
SHORTEST = 6
"""A shorter "secret" would blot out ordinary words."""

_TELLING = (
    r"pass(?:word|wd|phrase)?|secret|token|credential|api_?key|authorization|cookie|sessionid"
)
_NAME = re.compile(rf"(?:^|_)(?:{_TELLING})(?:$|_)", re.IGNORECASE)
_URL = re.compile(r"(?P<before>\w[\w+.-]*://[^\s/@:]*:)[^\s/@]+(?=@)")
_HEADER = re.compile(r"(?P<before>\b(?:Token|Bearer|Basic)\s+)[\w.~+/=-]{8,}")
_ASSIGNED = re.compile(
    rf"(?P<before>\b[\w-]*(?:{_TELLING})[\w-]*[\"']?\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s&;,)}}]+)",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END[^-]*-----|\Z)", re.DOTALL
)


class SecretsHidden:
    """A structlog processor over the finished line. `known` are this process's own secrets."""

    def __init__(self, known: tuple[str, ...] = ()) -> None:
        wanted = sorted({one for one in known if len(one) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(re.escape(one) for one in wanted)) if wanted else None

    def __call__(
        self, logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {key: self._value(value, key) for key, value in event.items()}

    def _value(self, value: Any, key: str = "") -> Any:
        if isinstance(value, str):
            return MASK if _NAME.search(key) else self.text(value)
        if isinstance(value, dict):
            return {name: self._value(item, str(name)) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(item, key) for item in value]
        if isinstance(value, BaseException):
            return self.text(str(value))
        return value

    def text(self, text: str) -> str:
        """The text with each secret in it replaced."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _URL.sub(rf"\g<before>{MASK}", text)
        text = _HEADER.sub(rf"\g<before>{MASK}", text)
        text = _ASSIGNED.sub(rf"\g<before>{MASK}", text)
        return _PRIVATE_KEY.sub(MASK, text)
