"""Times that people write into forms: in the zone in which their pages show times.

That is the profile's zone. Without one, pages show times in the browser's zone, which the browser
writes into a form's field ``zone``; and in the portal's own zone where JavaScript is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

ZONE = "zone"
ZONE_LENGTH = 64
TEXT_LENGTH = 64


@dataclass(frozen=True, slots=True)
class TimeField:
    name: str
    label: str
    value: str
    """For the field: in the viewer's zone; what was typed, if that is no time."""
    at: datetime | None


@dataclass(frozen=True, slots=True)
class TimeFields:
    """The times of one form."""

    zone: str
    fields: tuple[TimeField, ...]
    wrong: tuple[str, ...]
    """Labels of those that hold no time."""

    def at(self, name: str) -> datetime | None:
        return next(field.at for field in self.fields if field.name == name)

    def query(self) -> dict[str, str]:
        """What gives the same times again, to whoever looks; empty: none are given."""
        return {
            field.name: f"{field.at:%Y-%m-%dT%H:%M:%SZ}" if field.at else field.value
            for field in self.fields
            if field.value
        }


def zone_of(name: str) -> ZoneInfo | None:
    """``None`` for no name, or one that this machine does not know."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def form_zone(request: HttpRequest) -> tzinfo:
    """The zone of the times that a form holds."""
    fields = request.POST if request.method == "POST" else request.GET
    return zone_of(fields.get(ZONE, "")[:ZONE_LENGTH]) or timezone.get_current_timezone()


def viewer_zone(request: HttpRequest) -> tzinfo:
    """The zone for times that a form is to show."""
    has_own = bool(getattr(request.user, "time_zone", ""))
    return timezone.get_current_timezone() if has_own else form_zone(request)


def time_read(text: str, zone: tzinfo, *, end: bool = False) -> datetime | None:
    """A day or a minute, in `zone` unless it names its own; UTC. ``None``: it is no time.

    A day as the end is meant with all of its hours.
    """
    try:
        found, day = parse_datetime(text), parse_date(text)
        if day is not None:
            found = datetime(day.year, day.month, day.day, tzinfo=zone)
            found += timedelta(days=1 if end else 0)
        if found is None:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def time_value(at: datetime, zone: tzinfo) -> str:
    """As a field of type ``datetime-local`` takes it, to the minute."""
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M}"


def time_fields(
    request: HttpRequest, labels: Mapping[str, str], *, ends: tuple[str, ...] = ()
) -> TimeFields:
    """Read the form's times. `labels`: field → its label; `ends`: those that end a range."""
    given = request.POST if request.method == "POST" else request.GET
    written, shown = form_zone(request), viewer_zone(request)
    fields: list[TimeField] = []
    for name, label in labels.items():
        text = given.get(name, "").replace("\x00", "").strip()[:TEXT_LENGTH]
        at = time_read(text.replace(" ", "+") if "T" in text else text, written, end=name in ends)
        fields.append(TimeField(name, label, time_value(at, shown) if at else text, at))
    wrong = tuple(field.label for field in fields if field.value and field.at is None)
    return TimeFields(zone=str(shown), fields=tuple(fields), wrong=wrong)
