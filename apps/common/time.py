"""Time helpers. Every time in the portal is timezone-aware UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    return datetime.now(UTC)


def from_unix_ns(nanoseconds: int) -> datetime:
    """Unix nanoseconds → UTC, to the microsecond. Exact: floats would lose digits."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def age_s(since: datetime | None, *, at: datetime) -> float | None:
    """Seconds from `since` to `at`, never negative; ``None`` when `since` is not known."""
    return None if since is None else max(0.0, (at - since).total_seconds())
