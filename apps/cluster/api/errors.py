"""What the configuration routes answer instead of a configuration."""

from __future__ import annotations

from typing import Any

from apps.cluster.selectors import ConfigView
from apps.common.errors import PortalError

MISSING_REMEDY = "Set CLIO_SERVER_CONF to the configuration file, or write ~/.clio/clio.yaml."
BROKEN_CODES = frozenset(
    {
        "malformed_yaml",
        "not_a_mapping",
        "not_text",
        "file_too_large",
        "file_unreadable",
        "bad_value",
    }
)
"""The file is there. Other codes speak of the host list, or of a file that is not there."""
BROKEN_REMEDY = "Correct the file; the portal reads it again by itself."


class ConfigMissing(PortalError):
    """There is no configuration file at any of the places."""

    def __init__(self, message: str, searched: list[str], remedy: str) -> None:
        super().__init__(
            message,
            code="config_missing",
            status=404,
            remedy=remedy,
            extra={"searched": searched},
        )


class ConfigBroken(PortalError):
    """The file is there but can't be used, and no earlier good version is known.

    503, because the request is right and will be served once somebody has repaired the file.
    """

    def __init__(self, error: dict[str, Any], searched: list[str]) -> None:
        super().__init__(
            str(error["message"]),
            code=str(error["code"]),
            status=503,
            remedy=error.get("remedy") or BROKEN_REMEDY,
            extra={
                "path": error.get("path"),
                "line": error.get("line"),
                "column": error.get("column"),
                "searched": searched,
            },
        )


def config_error(view: ConfigView) -> PortalError:
    """Why there is no configuration to show."""
    error = view.error
    if error is not None and error["code"] in BROKEN_CODES:
        return ConfigBroken(error, view.searched)
    if error is not None and error["code"] == "named_file_missing":
        remedy = error.get("remedy") or MISSING_REMEDY
        return ConfigMissing(str(error["message"]), view.searched, remedy)
    where = ", ".join(view.searched)
    message = (
        f"There is no configuration file; looked for {where}."
        if where
        else "The portal has not looked for a configuration file yet."
    )
    return ConfigMissing(message, view.searched, MISSING_REMEDY)
