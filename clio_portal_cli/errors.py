"""What can go wrong, as exit codes that scripts can tell apart."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Documented in docs/cli.md."""

    OK = 0
    FAILED = 1
    """The job ended, and not well."""
    USAGE = 2
    NO_PORTAL = 3
    """The portal can't be reached, or what answers is no portal."""
    NOT_ALLOWED = 4
    """No token, a bad one, or one that may not do this."""
    NOT_FOUND = 5
    CONFLICT = 6
    """The node is busy, or something is to be confirmed."""
    NO_RUNTIME = 7
    """The portal answers; the cluster, or that node, does not."""
    NOT_YET = 8
    """The job is not at its end: the waiting is over, the job is not."""
    PORTAL_FAILED = 9
    INTERRUPTED = 130


class CliError(Exception):
    """One sentence, what to do about it, and the exit code."""

    def __init__(self, message: str, *, exit_code: Exit, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.exit_code = exit_code
