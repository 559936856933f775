"""The one reader of environment variables.

A wrong value stops the start with a sentence that names the variable, what it holds and
what it may hold. `django-environ` parses the database URL; the rest is read here, because
its own readers follow values that begin with ``$`` and do not name the variable they read.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.core.exceptions import ImproperlyConfigured

PREFIX = "CLIO_PORTAL_"
TEST_PREFIX = f"{PREFIX}TEST_"
"""Where the tests' services are: read by the tests alone."""
DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")
TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")
Word = TypeVar("Word", bound=str)


class Reader:
    """Reads ``CLIO_PORTAL_*`` from a mapping, and remembers which names exist."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.known: set[str] = set()

    def text(self, name: str, default: str = "") -> str:
        self.known.add(name)
        value = self._values.get(PREFIX + name, "").strip()
        return value or default

    def secret(self, name: str) -> str:
        """``NAME``, or the first line of the file that ``NAME_FILE`` says."""
        path = self.text(f"{name}_FILE")
        if not path:
            return self.text(name)
        try:
            lines = Path(path).expanduser().read_text().splitlines()
        except (OSError, UnicodeError) as error:
            raise wrong(f"{name}_FILE", path, f"can't be read: {error}") from error
        return lines[0].strip() if lines else ""

    def is_set(self, name: str) -> bool:
        return self.text(name) != ""

    def choice(self, name: str, default: Word, allowed: Sequence[Word]) -> Word:
        value = self.text(name, default)
        for word in allowed:
            if word == value:
                return word
        raise wrong(name, value, f"must be one of {', '.join(allowed)}")

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name).lower()
        if not value:
            return default
        if value not in TRUE + FALSE:
            raise wrong(name, value, "must be true or false")
        return value in TRUE

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        value = self.text(name)
        if not value:
            return default
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise wrong(name, value, f"must be a whole number from {low} to {high}")
        return int(value)

    def seconds(self, name: str, default: float, *, low: float, high: float) -> float:
        value = self.text(name)
        if not value:
            return float(default)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not low <= number <= high:  # false for NaN, too
            raise wrong(name, value, f"must be seconds from {low:g} to {high:g}")
        return number

    def names(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """A list separated by commas or blanks."""
        return [part for part in re.split(r"[,\s]+", self.text(name)) if part] or list(default)

    def origins(self, name: str) -> list[str]:
        values = self.names(name)
        for value in values:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
                raise wrong(name, value, "must hold origins such as https://portal.example.org")
        return values

    def directory(self, name: str, default: Path) -> Path:
        value = Path(self.text(name, str(default))).expanduser().absolute()
        try:
            value.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise wrong(name, value, f"can't be made or used as a directory: {error}") from error
        if not os.access(value, os.W_OK | os.X_OK):
            raise wrong(name, value, "is a directory that the portal can't write to")
        return value

    def time_zone(self, name: str, default: str) -> str:
        value = self.text(name, default)
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise wrong(name, value, "must be an IANA time zone such as Europe/Berlin") from error
        return value

    def port_range(self, name: str) -> tuple[int, int] | None:
        """``a-b`` or one port; ``None`` when empty."""
        value = self.text(name)
        if not value:
            return None
        match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", value)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= 65535:
            raise wrong(name, value, "must be a range of ports such as 17000-17031")
        return first, last

    def redis_url(self, name: str) -> str:
        value = self.text(name)
        if value and not re.match(r"(rediss?|unix)://.", value):
            raise wrong(name, _masked(value), "must be a URL such as redis://localhost:6379/0")
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Django's settings of one database; keys as `environ.Env.db_url_config` gives them."""
        value = self.text(name, default)
        what = "must be sqlite:////absolute/path or postgresql://user:password@host:5432/name"
        if value.split("://", maxsplit=1)[0] not in DATABASE_SCHEMES or "://" not in value:
            raise wrong(name, _masked(value), what)
        try:
            config: dict[str, Any] = environ.Env.db_url_config(value)
        except (ValueError, KeyError, ImproperlyConfigured) as error:
            raise wrong(name, _masked(value), what) from error
        if not config.get("NAME"):
            raise wrong(name, _masked(value), f"names no database; it {what}")
        return config

    def unknown(self) -> dict[str, str]:
        """Set variables with our prefix that nobody reads → the likely intended name or ''."""
        known = [PREFIX + name for name in sorted(self.known)]
        return {
            name: next(iter(get_close_matches(name, known, n=1)), "")
            for name in sorted(self._values)
            if name.startswith(PREFIX) and not name.startswith(TEST_PREFIX) and name not in known
        }


def wrong(name: str, value: object, why: str) -> ImproperlyConfigured:
    """The error for a variable's wrong value."""
    return ImproperlyConfigured(f"{PREFIX}{name}={str(value)!r} {why}.")


def _masked(url: str) -> str:
    """A URL without its password."""
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)


read = Reader(os.environ)
