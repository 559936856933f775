"""The base of every error that people or scripts are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import InterfaceError, OperationalError

DATABASE_FAILS = (OperationalError, InterfaceError)
"""What comes of a database that is away, restarts, or whose disk is full."""
RETRY_AFTER_S = 5


class PortalError(Exception):
    """Says what went wrong, with a machine word, an HTTP status and what to do about it."""

    def __init__(
        self,
        message: str,
        code: str = "portal_error",
        status: int = 500,
        remedy: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.remedy = remedy
        self.extra: dict[str, Any] = dict(extra or {})


class DatabaseAway(PortalError):
    """Nothing can be read or written at the moment."""

    def __init__(self) -> None:
        super().__init__(
            "The portal's database can't be used at the moment.",
            "database_away",
            503,
            "Try again in a moment. The nodes go on, and what they measured meanwhile is "
            "collected afterwards.",
        )
