"""Times, steps and counts as a query writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from apps.common.errors import PortalError

UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
MILLISECONDS_FROM = 100_000_000_000
"""Unix seconds would not be that many before the year 5138."""
REMEDY = (
    "Give ISO 8601 (2026-11-22T12:00:00Z), Unix seconds, a time back from now "
    "(-90s, -15m, -6h, -30d, -2w), or now."
)

_PARTS = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhdw])", re.ASCII)
_BACK = re.compile(r"(?:now)?-((?:\d{1,9}(?:\.\d{1,6})?[smhdw])+)", re.ASCII)
_UNIX = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_STEP = re.compile(r"(\d{1,9})([smhdw]?)", re.ASCII)
_COUNT = re.compile(r"\d{1,9}", re.ASCII)


class BadTime(PortalError):
    """A time, or a range of time, that can't be meant."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(
            message, code="bad_time", status=400, remedy=REMEDY, extra={"parameter": name}
        )


def instant_parse(name: str, text: str, *, at: datetime) -> datetime:
    """A moment, in UTC. Without a zone, UTC is meant. Raises BadTime (400)."""
    given = text.strip()
    moment = _instant(given, at=at)
    if moment is None or not EARLIEST <= moment < LATEST:
        raise BadTime(name, f"{name} is {given[:60]!r}, which is no time from 1970 to 2099.")
    return moment


def _instant(text: str, *, at: datetime) -> datetime | None:
    if text == "now":
        return at
    try:
        if back := _BACK.fullmatch(text):
            return at - timedelta(seconds=_seconds(back[1]))
        if _UNIX.fullmatch(text):
            seconds = float(text)
            return EARLIEST + timedelta(
                seconds=seconds / 1000 if seconds >= MILLISECONDS_FROM else seconds
            )
        moment = datetime.fromisoformat(_plus_restored(text))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _plus_restored(text: str) -> str:
    """A query's ``+`` arrives as a blank: ``…T12:00:00 02:00`` was meant as ``+02:00``."""
    return text.replace(" ", "+") if "T" in text else text


def _seconds(parts: str) -> float:
    return sum(float(amount) * UNIT_S[unit] for amount, unit in _PARTS.findall(parts))


def range_parse(
    start_text: str | None, end_text: str | None, *, at: datetime
) -> tuple[datetime, datetime]:
    """`from` and `to`; by default the last hour. Raises BadTime (400)."""
    start = instant_parse("from", "-1h" if start_text is None else start_text, at=at)
    end = instant_parse("to", "now" if end_text is None else end_text, at=at)
    if end <= start:
        raise BadTime(
            "from",
            f"from ({start:%Y-%m-%dT%H:%M:%SZ}) must be before to ({end:%Y-%m-%dT%H:%M:%SZ}).",
        )
    return start, end


def step_parse(text: str) -> int | None:
    """``30``, ``30s``, ``5m``, ``1h`` → seconds; ``None``: not a step."""
    found = _STEP.fullmatch(text.strip())
    if found is None:
        return None
    seconds = int(found[1]) * UNIT_S[found[2] or "s"]
    return seconds or None


def count_parse(text: str, *, most: int) -> int | None:
    """A whole number from 1 to `most`; ``None``: it is not."""
    if not _COUNT.fullmatch(text):
        return None
    number = int(text)
    return number if 1 <= number <= most else None
