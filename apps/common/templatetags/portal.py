"""How figures, ages and names are written on pages.

Unknown is always "—", never 0. Figures keep a fixed number of decimals, so that
a page that updates does not jump.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.template.context import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

UNKNOWN = "—"
WARM_PCT = 75.0
HOT_PCT = 90.0
NO_PREDICTION_DAYS = 999_999
NARROW_SPACE = "\u202f"
TITLE_CHARS = 300
SHORT_CHARS = 20
"""Up to this length a name is never cut, neither here nor by its column."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_BDEV_TYPES = ("file", "ram", "hbm", "pinned", "noop", "s3", "gcs")


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    return number if number - number == 0 else None  # neither nan nor infinite


@register.filter
def known(value: Any) -> Any:
    """The value itself; "—" when there is none."""
    return UNKNOWN if value is None or value == "" else value


@register.filter
def integer(value: Any) -> str:
    """Grouped by thousands: 28 541."""
    number = _number(value)
    return UNKNOWN if number is None else f"{int(value):,}".replace(",", NARROW_SPACE)


@register.filter
def decimal(value: Any, places: int = 1) -> str:
    """With a fixed number of decimals."""
    number = _number(value)
    return UNKNOWN if number is None else f"{number:,.{places}f}".replace(",", NARROW_SPACE)


@register.filter
def percent(value: Any) -> str:
    """A value of 0–100 with one decimal: 34.2 %."""
    number = _number(value)
    return UNKNOWN if number is None else f"{number:.1f} %"


@register.filter
def ratio(value: Any) -> str:
    """A ratio as a percentage: 0.12 is 12.0 %."""
    number = _number(value)
    return UNKNOWN if number is None else percent(100 * number)


@register.filter(name="bytes")
def bytes_text(value: Any) -> str:
    """In binary units: 64.0 MiB."""
    number = _number(value)
    if number is None:
        return UNKNOWN
    unit = 0
    while abs(number) >= 1024 and unit < len(_BINARY_UNITS) - 1:
        number /= 1024
        unit += 1
    return f"{number:.0f} B" if unit == 0 else f"{number:.1f} {_BINARY_UNITS[unit]}"


@register.filter
def byte_rate(value: Any) -> str:
    """Bytes per second: 1.2 MiB/s."""
    text = bytes_text(value)
    return text if text == UNKNOWN else f"{text}/s"


@register.filter
def per_second(value: Any) -> str:
    text = decimal(value, 1)
    return text if text == UNKNOWN else f"{text} /s"


@register.filter
def age(value: Any) -> str:
    """Seconds in words: 12 s, 3 min, 2 h 05 min, 4 d 3 h. portal.js says the same."""
    number = _number(value)
    if number is None:
        return UNKNOWN
    seconds = max(0, int(number))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        minutes = seconds % 3600 // 60
        return f"{seconds // 3600} h" + (f" {minutes:02d} min" if minutes else "")
    hours = seconds % 86400 // 3600
    return f"{seconds // 86400} d" + (f" {hours} h" if hours else "")


@register.filter
def duration_us(value: Any) -> str:
    """Microseconds in a fitting unit: 250 µs, 5.0 ms, 1.0 s."""
    number = _number(value)
    if number is None:
        return UNKNOWN
    if abs(number) < 1000:
        return f"{number:.0f} µs"
    return f"{number / 1000:.1f} ms" if abs(number) < 1_000_000 else f"{number / 1_000_000:.1f} s"


@register.filter
def milliseconds(value: Any) -> str:
    """Seconds in milliseconds: 0.5 ms."""
    number = _number(value)
    return UNKNOWN if number is None else f"{1000 * number:,.1f} ms".replace(",", NARROW_SPACE)


@register.filter
def skew(value: Any) -> str:
    """Seconds that another clock is ahead: +0.4 s."""
    number = _number(value)
    return UNKNOWN if number is None else f"{number:+.1f} s".replace("-", "−")


@register.filter
def bdev_type(value: Any) -> str:
    """The name of a block device's type; its number where this version knows no name."""
    if not isinstance(value, int) or isinstance(value, bool):
        return UNKNOWN
    return _BDEV_TYPES[value] if 0 <= value < len(_BDEV_TYPES) else f"type {value}"


@register.filter
def has_prediction(days: Any) -> bool:
    """Whether ``predicted_ttl_days`` is one; the runtime writes 999999 for none."""
    number = _number(days)
    return number is not None and number < NO_PREDICTION_DAYS


@register.filter
def days_left(value: Any) -> str:
    """Predicted days to live in words."""
    if not has_prediction(value):
        return "no prediction"
    return f"{integer(value)} day" + ("" if value == 1 else "s")


@register.filter
def missing_from(part: Any, whole: Any) -> float | None:
    """``whole - part`` of two numbers; ``None`` when either is not known."""
    left, total = _number(part), _number(whole)
    return None if left is None or total is None else max(0.0, total - left)


@register.filter
def share_pct(part: Any, whole: Any) -> float | None:
    """``part`` of ``whole`` as 0–100; ``None`` when either is not known or there is no whole."""
    some, total = _number(part), _number(whole)
    return None if some is None or not total else min(100.0, max(0.0, 100 * some / total))


@register.filter
def missing_from_count(whole: int, part: int) -> int:
    return whole - part


@register.filter
def id_ranges(ids: Iterable[int]) -> str:
    """Ascending ids, runs as ranges: 0–3, 7."""
    runs: list[list[int]] = []
    for number in sorted(ids):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [str(low) if low == high else f"{low}–{high}" for low, high in runs]
    return ", ".join(words) or UNKNOWN


@register.filter
def clip(value: Any, length: int = 80) -> SafeString:
    """A name from outside: cut to `length`, isolated from the text around it, full in the title.

    Control characters are shown as U+FFFD. Names come from the network: they may hold
    markup, ten thousand characters, or characters that turn the direction of writing.
    """
    if value is None or value == "":
        return format_html('<span class="none">{}</span>', UNKNOWN)
    text = _CONTROLS.sub("\ufffd", str(value))
    if len(text) <= SHORT_CHARS:
        return format_html("<bdi>{}</bdi>", text)
    title = text if len(text) <= TITLE_CHARS else f"{text[:TITLE_CHARS]}…"
    shown = text if len(text) <= length else f"{text[:length]}…"
    return format_html('<bdi title="{}">{}</bdi>', title, shown)


@register.simple_tag
def bar(value_pct: Any, kind: str = "cpu") -> SafeString:
    """A bar of 0–100. Its figure stands beside it as text, so it is hidden from readers."""
    number = _number(value_pct)
    if number is None:
        return SafeString('<svg class="bar bar--none" aria-hidden="true"></svg>')
    width = min(100.0, max(0.0, number))
    level = " bar--hot" if width >= HOT_PCT else " bar--warm" if width >= WARM_PCT else ""
    return format_html(
        '<svg class="bar bar--{}{}" viewBox="0 0 100 4" preserveAspectRatio="none"'
        ' aria-hidden="true"><rect width="{}" height="4"/></svg>',
        kind,
        level,
        f"{width:.1f}",
    )


@register.filter(name="moment")
def moment_text(moment: datetime | None) -> str:
    """In the reader's zone, which is named: 26 Nov 2026, 12:30:01 CET. portal.js says the same."""
    if moment is None:
        return UNKNOWN
    local = timezone.localtime(moment)
    name = local.tzname() or ""
    if not name.isalpha():  # zones without an abbreviation are called by their offset
        offset = int((local.utcoffset() or timedelta()).total_seconds()) // 60
        hours, minutes = divmod(abs(offset), 60)
        sign = "-" if offset < 0 else "+"
        name = f"GMT{sign}{hours}" + (f":{minutes:02d}" if minutes else "")
    return f"{local.day} {local:%b %Y, %H:%M:%S} {name}"


def _time_tag(moment: datetime, text: str, attributes: SafeString) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}"{}>{}</time>',
        moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        moment_text(moment),
        attributes,
        text,
    )


@register.simple_tag(takes_context=True)
def ago(context: Context, seconds: float | None, old_after: float | None = None) -> SafeString:
    """An age in seconds as "12 s ago", which goes on ticking; marked old past `old_after`."""
    if seconds is None:
        return SafeString('<span class="age is-old">no data yet</span>')
    old = old_after is not None and seconds > old_after
    attributes = format_html(
        ' class="age{}" data-age="ago"{}',
        " is-old" if old else "",
        format_html(' data-old-after="{}"', old_after) if old_after is not None else "",
    )
    moment = context["at"] - timedelta(seconds=seconds)
    return _time_tag(moment, f"{age(seconds)} ago", attributes)


@register.simple_tag(takes_context=True)
def since(context: Context, moment: datetime | None) -> SafeString:
    """How long something has lasted: "12 min", ticking."""
    if moment is None:
        return format_html('<span class="none">{}</span>', UNKNOWN)
    seconds = (context["at"] - moment).total_seconds()
    return _time_tag(moment, age(seconds), SafeString(' class="num" data-age="for"'))


@register.simple_tag
def when(moment: datetime | None) -> SafeString:
    """A moment, in the zone of the reader's profile; without one, in the browser's.

    (Without JavaScript, too: in the portal's.)
    """
    if moment is None:
        return format_html('<span class="none">{}</span>', UNKNOWN)
    return _time_tag(moment, moment_text(moment), SafeString(' class="num" data-local'))
