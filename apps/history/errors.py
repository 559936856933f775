"""Errors of the history, each with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from apps.common.errors import PortalError


class MetricUnknown(PortalError):
    """A metric's key is not in the catalogue (400)."""

    def __init__(self, key: str, known: Sequence[str]) -> None:
        close = get_close_matches(key, known, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        super().__init__(
            f"There is no metric {key!r}.{hint}",
            "metric_unknown",
            400,
            "Metrics are named kind.name, such as system.cpu_usage_pct.",
        )


class RangeWrong(PortalError):
    """A range, step or number of points can't be served (400)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "range_wrong", 400)


class SamplesWrong(PortalError):
    """Samples that were handed in don't fit together."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "samples_wrong", 400)


class BlockBroken(PortalError):
    """Stored bytes can't be read: damaged, or written by a newer version (500)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "history_block_broken", 500)
