"""Keeping count of what is stored, by resolution and day."""

from __future__ import annotations

from collections import defaultdict

from django.db import connection

from apps.history.types import Resolution

ROW_BYTES = 60
"""What a row costs beside its payload: header, key, the key's place in the index."""

UPSERT = (
    "INSERT INTO history_storagetally (resolution, day, rows, bytes) VALUES (%s, %s, %s, %s) "
    "ON CONFLICT (resolution, day) DO UPDATE SET "
    "rows = history_storagetally.rows + excluded.rows, "
    "bytes = history_storagetally.bytes + excluded.bytes"
)


class Tally:
    """Differences, gathered and written once, in the transaction of the change."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Resolution, int], int] = defaultdict(int)
        self._bytes: dict[tuple[Resolution, int], int] = defaultdict(int)

    def add(self, resolution: Resolution, day: int, payload: int, *, rows: int = 1) -> None:
        """A new row (`rows` −1: a removed one, with `payload` negative; 0: a changed one)."""
        self._rows[resolution, day] += rows
        self._bytes[resolution, day] += payload + rows * ROW_BYTES

    def minute(self, minute: int, aggregates: int, raw: int, *, rows: int = 1) -> None:
        """A row of minutes: its aggregates count as minutes, its samples as raw."""
        day = minute // 1440
        self.add(Resolution.MINUTE, day, aggregates, rows=rows)
        self._bytes[Resolution.RAW, day] += raw

    def write(self) -> None:
        changes = [
            (key[0].value, key[1], self._rows[key], count)
            for key, count in sorted(self._bytes.items())
            if count or self._rows[key]
        ]
        if changes:
            with connection.cursor() as cursor:
                cursor.executemany(UPSERT, changes)
