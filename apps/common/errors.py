"""The base of every error that people or scripts are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
