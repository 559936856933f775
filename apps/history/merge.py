"""Which hours are to be merged, and merging them a few at a time."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from apps.history.hours import HourName, hours_merge
from apps.history.states import milliseconds
from apps.history.tables import writing
from apps.history.tally import Tally

REST_MINUTES = 120
"""An hour is left alone for this long after its end: samples of a gap may still come."""

HOURS_AT_ONCE = 50

OLDEST = """
SELECT id, kind, oldest FROM (
    SELECT s.id AS id, s.kind AS kind,
           (SELECT MIN(m.minute) FROM history_minuteblock m WHERE m.series_id = s.id) AS oldest
    FROM history_series s
) AS first_minutes WHERE oldest < %s ORDER BY oldest, id LIMIT %s
"""


def merge(at: datetime, limit: int) -> int:
    """See `services.history_merge`."""
    before = (milliseconds(at) // 60_000 - REST_MINUTES) // 60 * 60
    merged = 0
    while merged < limit:
        with connection.cursor() as cursor:
            cursor.execute(OLDEST, [before, limit - merged])
            due: list[HourName] = [
                (series, oldest // 60, kind) for series, kind, oldest in cursor.fetchall()
            ]
        if not due:
            break
        for place in range(0, len(due), HOURS_AT_ONCE):
            with writing():
                tally = Tally()
                merged += hours_merge(due[place : place + HOURS_AT_ONCE], tally)
                tally.write()
    return merged
