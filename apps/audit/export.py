"""The trail as a file, written row by row so that a long one needs no memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC

from django.db.models import QuerySet

from apps.audit.models import AuditEvent

EXPORTED_FIELDS = (
    "number",
    "at",
    "action",
    "outcome",
    "actor_id",
    "actor_name",
    "address",
    "request_id",
    "user_agent",
    "target_kind",
    "target_id",
    "target_name",
    "reason",
    "before",
    "after",
    "job_id",
    "previous_hash",
    "hash",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """Gives back what `csv` writes into it."""

    def write(self, text: str) -> str:
        return text


def event_as_json(event: AuditEvent) -> dict[str, object]:
    """All fields of an event; the time as ISO 8601 in UTC."""
    row: dict[str, object] = {name: getattr(event, name) for name in EXPORTED_FIELDS}
    row["at"] = event.at.astimezone(UTC).isoformat()
    return row


def audit_csv(events: QuerySet[AuditEvent]) -> Iterator[str]:
    """CSV lines, the header first. Texts that a spreadsheet would run as a formula get a quote."""
    writer = csv.writer(_Line())
    yield writer.writerow(EXPORTED_FIELDS)
    for event in events.iterator(chunk_size=1000):
        yield writer.writerow([_cell(value) for value in event_as_json(event).values()])


def audit_json(events: QuerySet[AuditEvent]) -> Iterator[str]:
    """One JSON array, an event a line."""
    separator = "[\n"
    for event in events.iterator(chunk_size=1000):
        yield separator + json.dumps(event_as_json(event), ensure_ascii=False)
        separator = ",\n"
    yield "\n]\n" if separator == ",\n" else "[]\n"


def _cell(value: object) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
