"""Answers as CSV, one value set a line, written while they are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import StreamingHttpResponse

from apps.nodes.api.history.bodies import Fields

LINES_PER_PIECE = 2_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
SERIES_HEAD = ("time", "node_id", "node", "part", "metric", "unit", "min", "avg", "max")
FLEET_HEAD = ("time", "metric", "unit", "min", "avg", "max", "p95", "total", "subjects")
TOP_HEAD = ("rank", "node_id", "node", "part", "metric", "unit", "min", "avg", "max")
HEATMAP_HEAD = ("time", "node_id", "node", "part", "metric", "unit", "avg", "max")
STATES_HEAD = ("node_id", "node", "state", "from", "to")

Line = Sequence[Any]


def csv_response(head: Sequence[str], lines: Iterable[Line], *, name: str) -> StreamingHttpResponse:
    """A file to save as `name`; memory does not grow with its length."""
    response = StreamingHttpResponse(_pieces(head, lines), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def file_name(what: str, start: datetime, end: datetime) -> str:
    return f"clio-{what}-{start:%Y%m%dT%H%M%SZ}-{end:%Y%m%dT%H%M%SZ}.csv"


def _pieces(head: Sequence[str], lines: Iterable[Line]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    for number, line in enumerate(lines, 1):
        writer.writerow(line)
        if number % LINES_PER_PIECE == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def harmless(text: str | None) -> str | None:
    """A name from outside must not become a formula in a spreadsheet."""
    return f"'{text}" if text and text.startswith(FORMULA_STARTS) else text


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def _who(one: Fields) -> Line:
    return one["node_id"], harmless(one["node"]), harmless(one["part"])


def series_lines(body: Fields) -> Iterator[Line]:
    """Gaps are left out: a line is a bucket that has a value."""
    times = [_iso(time) for time in body["times"]]
    for one in body["series"]:
        who = (*_who(one), one["metric"], one["unit"])
        for time, low, mean, high in zip(times, one["min"], one["avg"], one["max"], strict=True):
            if mean is not None:
                yield (time, *who, low, mean, high)


def fleet_lines(body: Fields) -> Iterator[Line]:
    times = [_iso(time) for time in body["times"]]
    for one in body["series"]:
        figures = [one[name] for name in FLEET_HEAD[3:]]
        for time, *values in zip(times, *figures, strict=True):
            if values[1] is not None:
                yield (time, one["metric"], one["unit"], *values)


def top_lines(body: Fields) -> Iterator[Line]:
    for rank, one in enumerate(body["subjects"], 1):
        figures = (one["min"], one["avg"], one["max"])
        yield (rank, *_who(one), body["metric"], body["unit"], *figures)


def heatmap_lines(body: Fields) -> Iterator[Line]:
    times = [_iso(time) for time in body["times"]]
    for one in body["rows"]:
        who = (*_who(one), body["metric"], body["unit"])
        for time, mean, high in zip(times, one["avg"], one["max"], strict=True):
            if mean is not None:
                yield (time, *who, mean, high)


def states_lines(body: Fields) -> Iterator[Line]:
    for node in body["nodes"]:
        for span in node["spans"]:
            state = span["state"] or "not known"
            yield (node["node_id"], harmless(node["node"]), state, span["from"], span["to"])
