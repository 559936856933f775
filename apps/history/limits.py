"""The retention limits that the settings name."""

from __future__ import annotations

from django.conf import settings

from apps.history.types import RetentionLimits


def retention_limits() -> RetentionLimits:
    """``CLIO_PORTAL_HISTORY_*`` as they are set."""
    return RetentionLimits(
        raw_days=settings.PORTAL_HISTORY_RAW_DAYS,
        minutes_days=settings.PORTAL_HISTORY_MINUTES_DAYS,
        hours_days=settings.PORTAL_HISTORY_HOURS_DAYS,
        max_bytes=settings.PORTAL_HISTORY_MAX_BYTES,
    )
