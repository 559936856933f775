"""How long history is kept."""

from __future__ import annotations

from clio_portal.settings.env import read, wrong

__all__ = [
    "PORTAL_HISTORY_HOURS_DAYS",
    "PORTAL_HISTORY_MAX_BYTES",
    "PORTAL_HISTORY_MINUTES_DAYS",
    "PORTAL_HISTORY_RAW_DAYS",
]

LONGEST_DAYS = 36_500

PORTAL_HISTORY_RAW_DAYS = read.integer("HISTORY_RAW_DAYS", 14, low=1, high=LONGEST_DAYS)
PORTAL_HISTORY_MINUTES_DAYS = read.integer("HISTORY_MINUTES_DAYS", 92, low=1, high=LONGEST_DAYS)
PORTAL_HISTORY_HOURS_DAYS = read.integer("HISTORY_HOURS_DAYS", 731, low=1, high=LONGEST_DAYS)
PORTAL_HISTORY_MAX_BYTES = read.integer("HISTORY_MAX_BYTES", 0, low=0, high=10**15)
"""0: no limit but the days."""

if not PORTAL_HISTORY_RAW_DAYS <= PORTAL_HISTORY_MINUTES_DAYS <= PORTAL_HISTORY_HOURS_DAYS:
    raise wrong(
        "HISTORY_RAW_DAYS",
        PORTAL_HISTORY_RAW_DAYS,
        "must not be more than CLIO_PORTAL_HISTORY_MINUTES_DAYS "
        f"({PORTAL_HISTORY_MINUTES_DAYS}), nor that more than CLIO_PORTAL_HISTORY_HOURS_DAYS "
        f"({PORTAL_HISTORY_HOURS_DAYS}): a coarser resolution outlives a finer one",
    )
