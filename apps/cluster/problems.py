"""What can be wrong with the configuration of the cluster."""

from __future__ import annotations

from typing import Any


class ConfigProblem(Exception):
    """A file that can't be used: which, where in it, why, and what to do.

    ``line`` and ``column`` count from 1; ``None`` where there is none.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        path: str = "",
        line: int | None = None,
        column: int | None = None,
        remedy: str,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.path = path
        self.line = line
        self.column = column
        self.remedy = remedy

    def as_dict(self) -> dict[str, Any]:
        """What `ConfigStatus.error` stores."""
        return {
            "message": self.message,
            "code": self.code,
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "remedy": self.remedy,
        }
