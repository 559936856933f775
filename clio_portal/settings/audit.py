"""How long the audit trail is kept."""

from __future__ import annotations

from clio_portal.settings.env import read, wrong

__all__ = ["PORTAL_AUDIT_DAYS"]

SHORTEST_DAYS, LONGEST_DAYS = 30, 36_500

PORTAL_AUDIT_DAYS = read.integer("AUDIT_DAYS", 0, low=0, high=LONGEST_DAYS)
"""0: for ever."""

if 0 < PORTAL_AUDIT_DAYS < SHORTEST_DAYS:
    raise wrong(
        "AUDIT_DAYS",
        PORTAL_AUDIT_DAYS,
        f"must be 0 (keep for ever) or at least {SHORTEST_DAYS}",
    )
