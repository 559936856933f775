"""Tables and figures for a terminal. What comes from elsewhere can't steer it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

UNKNOWN = "—"
SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
COLOURS = {"alive": "32", "suspect": "33", "hung": "35", "down": "31", "unknown": "90"} | {
    "succeeded": "32",
    "failed": "31",
    "timed_out": "31",
    "lost": "31",
    "canceled": "33",
}
HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Kinds of characters that move the cursor, turn the direction of writing, or are nothing."""
SPARKS = "▁▂▃▄▅▆▇█"


def plain(value: object, *, most: int = 60) -> str:
    """One line of printable text, at most so long: control characters are shown, not sent."""
    if value is None or value == "":
        return UNKNOWN
    shown = "".join(
        f"\\u{ord(char):04x}" if unicodedata.category(char) in HARMFUL else char
        for char in str(value)[: 4 * most]
    )
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def number(value: object, digits: int = 1) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return UNKNOWN
    return f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}"


def percent(value: object) -> str:
    return f"{value:.1f} %" if isinstance(value, int | float) else UNKNOWN


def yes(value: object) -> str:
    return UNKNOWN if value is None else "yes" if value else "no"


def size(value: object) -> str:
    """Bytes in the unit that reads best."""
    if not isinstance(value, int | float):
        return UNKNOWN
    amount = float(value)
    for unit in SIZES:
        if abs(amount) < 1024 or unit == SIZES[-1]:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return UNKNOWN


def duration(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return UNKNOWN
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def moment(text: object) -> str:
    """ISO 8601 → the same in UTC, to the second."""
    if not isinstance(text, str):
        return UNKNOWN
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return plain(text)
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def spark(values: Sequence[object], *, most: int = 40) -> str:
    """A curve in one line; what is not known is a blank."""
    step = max(1, -(-len(values) // most))
    groups = [values[start : start + step] for start in range(0, len(values), step)]
    highs = [_highest(group) for group in groups]
    known = [value for value in highs if value is not None]
    if not known:
        return ""
    low, span = min(known), (max(known) - min(known)) or 1
    return "".join(
        " " if value is None else SPARKS[round((value - low) / span * (len(SPARKS) - 1))]
        for value in highs
    )


def _highest(values: Sequence[object]) -> float | None:
    return max((value for value in values if isinstance(value, int | float)), default=None)


def width(text: str) -> int:
    """Columns that a text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "") -> str:
    """Columns two blanks apart. `right`: one letter a column, ``r`` or ``l``."""
    sides = right.ljust(len(head), "l")
    widths = [max(width(row[index]) for row in [head, *rows]) for index in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = []
        for cell, side, columns in zip(cells, sides, widths, strict=True):
            blanks = " " * (columns - width(cell))
            padded.append(blanks + cell if side == "r" else cell + blanks)
        return "  ".join(padded).rstrip()

    return "\n".join(line(row) for row in [head, *rows]) + "\n"


def coloured(text: str) -> str:
    """Words of state and status in their colour; after the columns are laid out."""
    lines = []
    for line in text.split("\n"):
        for word, colour in COLOURS.items():
            marked = f"  {word}  "
            if marked in f"  {line}  ":
                line = f"{line}  ".replace(marked, f"  \x1b[{colour}m{word}\x1b[0m  ", 1).rstrip()
                break
        lines.append(line)
    return "\n".join(lines)
