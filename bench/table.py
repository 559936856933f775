"""Measured figures beside those to compare with, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` is `measured` over `compared`; `met` is None where nothing is asked."""

    what: str
    measured: float
    compared: float
    ratio: float
    wanted: str = ""
    met: bool | None = None


def as_json(rows: Sequence[Row]) -> str:
    return json.dumps([asdict(row) for row in rows], indent=2)


def table(rows: Sequence[Row]) -> str:
    """One line for each row, in aligned columns."""
    head = ("what", "measured", "compared", "ratio", "wanted", "")
    lines = [
        (
            row.what,
            f"{row.measured:.4g}",
            f"{row.compared:.4g}",
            f"{row.ratio:.3g}",
            row.wanted,
            {True: "met", False: "NOT MET", None: ""}[row.met],
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in (0, 4, 5) else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, *lines]
    )
