"""What was: history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clio_portal_cli import text
from clio_portal_cli.commands import Call
from clio_portal_cli.errors import Exit

Body = Mapping[str, Any]


def history(call: Call) -> Exit:
    """Curves of one or more metrics; without one, the catalogue."""
    if not call.options.metric:
        return _catalogue(call)
    asked = {
        "metrics": call.options.metric,
        "nodes": call.options.nodes,
        "from": call.options.start,
        "to": call.options.end,
        "points": call.options.points,
    }
    if call.options.csv:
        call.screen.write(call.portal.get_text("/api/history/series", asked | {"format": "csv"}))
        return Exit.OK
    body = call.portal.get("/api/history/series", asked).body
    call.screen.result(body, _series_text(body))
    return Exit.OK


def _catalogue(call: Call) -> Exit:
    body = call.portal.get("/api/history/metrics").body
    rows = [
        tuple(text.plain(item[key]) for key in ("metric", "unit", "type", "name"))
        for item in body["metrics"]
    ]
    call.screen.result(body, text.table(("METRIC", "UNIT", "TYPE", "MEANING"), rows))
    return Exit.OK


def _series_text(body: Body) -> str:
    rows = [_curve_cells(curve) for curve in body["series"]]
    note = (
        f"{text.moment(body['from'])} to {text.moment(body['to'])}, "
        f"{len(body['times'])} buckets of {text.duration(body['step_s'])}.\n"
    )
    head = ("NODE", "PART", "METRIC", "UNIT", "MIN", "AVG", "MAX", "HIGHS OVER TIME")
    if not rows:
        return f"Nothing is kept of this in that time.\n{note}"
    return text.table(head, rows, right="llllrrrl") + note


def _curve_cells(curve: Body) -> tuple[str, ...]:
    averages = [value for value in curve["avg"] if value is not None]
    return (
        text.plain(curve["node"], most=40),
        text.plain(curve["part_name"], most=30) if curve["part"] else "",
        text.plain(curve["metric"]),
        text.plain(curve["unit"]),
        text.number(min((v for v in curve["min"] if v is not None), default=None)),
        text.number(sum(averages) / len(averages) if averages else None),
        text.number(max((v for v in curve["max"] if v is not None), default=None)),
        text.spark(curve["max"]),
    )
