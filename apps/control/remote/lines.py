"""Bytes of a command's two streams → lines that are safe to store and to show.

Nothing that a node prints can grow the portal's memory, reach a terminal as an escape
sequence, or break the database: each line and the whole are bounded, colours are taken
out, other control characters are spelled.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from apps.control.remote.types import Line

Stream = Literal["stdout", "stderr"]

MAX_LINE_CHARS = 4000
MAX_LINE_BYTES = 32_768
MAX_LINES = 20_000
MAX_CHARS = 8_000_000
TAIL_LINES = 200
"""Of an output that is too long, the end is kept as well: the error is most often there."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)"  # OSC, DCS and the like, with their text
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
# Control characters but the tab, and those that turn the direction of text around.
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_BREAK = re.compile(rb"\r\n|\n|\r")


def text_clean(raw: bytes) -> str:
    """One line's bytes → text without escape sequences and control characters."""
    text = _ESCAPES.sub("", raw.decode("utf-8", errors="replace"))
    return _UNSAFE.sub(lambda match: _spelled(match[0]), text)


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class LineCutter:
    """Cuts one stream at its line ends; holds at most MAX_LINE_BYTES of an unfinished line."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._dropped = 0
        self._after_return = False

    def feed(self, data: bytes) -> list[str]:
        if self._after_return and data.startswith(b"\n"):
            data = data[1:]  # the other half of a \r\n that came in two pieces
        if data:
            self._after_return = data.endswith(b"\r")
        lines = []
        start = 0
        for end in _BREAK.finditer(data):
            self._keep(data[start : end.start()])
            lines.append(self._take())
            start = end.end()
        self._keep(data[start:])
        return lines

    def finish(self) -> list[str]:
        return [self._take()] if self._pending or self._dropped else []

    def _keep(self, piece: bytes) -> None:
        room = MAX_LINE_BYTES - len(self._pending)
        self._pending += piece[:room]
        self._dropped += max(0, len(piece) - room)

    def _take(self) -> str:
        text = text_clean(bytes(self._pending))
        if len(text) > MAX_LINE_CHARS or self._dropped:
            kept = text[:MAX_LINE_CHARS]
            left_out = len(text) - len(kept) + self._dropped
            text = f"{kept} … ({left_out} more characters)"
        self._pending.clear()
        self._dropped = 0
        return text


class LineSink:
    """Numbers the lines of both streams and passes them on, within bounds.

    All lines are counted. Beyond MAX_LINES (or MAX_CHARS) only the last TAIL_LINES are
    passed on, at the end, under their own numbers: the gap in the numbers is what is missing.
    """

    def __init__(self, on_line: Callable[[Line], None], now: Callable[[], datetime]) -> None:
        self.total = 0
        self._on_line = on_line
        self._now = now
        self._cutters: dict[Stream, LineCutter] = {"stdout": LineCutter(), "stderr": LineCutter()}
        self._chars = 0
        self._passed = 0
        self._tail: deque[Line] = deque(maxlen=TAIL_LINES)
        self.last_error_line = ""

    @property
    def truncated(self) -> bool:
        """Are there lines that were not passed on (once finished)?"""
        return self._passed < self.total

    def feed(self, stream: Stream, data: bytes) -> None:
        self._add(stream, self._cutters[stream].feed(data))

    def finish(self) -> None:
        for stream, cutter in self._cutters.items():
            self._add(stream, cutter.finish())
        while self._tail:
            self._pass_on(self._tail.popleft())

    def _add(self, stream: Stream, texts: list[str]) -> None:
        if not texts:
            return
        at = self._now()
        for text in texts:
            self.total += 1
            if stream == "stderr" and text.strip():
                self.last_error_line = text.strip()[:200]
            line = Line(self.total, stream, text, at)
            full = self._passed >= MAX_LINES or self._chars >= MAX_CHARS
            if full or self._tail:
                self._tail.append(line)
            else:
                self._chars += len(text)
                self._pass_on(line)

    def _pass_on(self, line: Line) -> None:
        self._passed += 1
        self._on_line(line)
