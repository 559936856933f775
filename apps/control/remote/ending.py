"""How a command's run ends: by itself, or because somebody or the clock says so."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    exit_code: int | None
    """``None``: killed by a signal."""


class Interrupted(Exception):
    """The portal ended the command."""

    def __init__(self, *, by_clock: bool) -> None:
        super().__init__("the time is over" if by_clock else "canceled")
        self.by_clock = by_clock


@dataclass(frozen=True, slots=True)
class Watch:
    """Somebody's cancel button and the wall clock."""

    cancel: threading.Event
    give_up_at: float
    """By time.monotonic()."""

    def check(self) -> None:
        """Raises Interrupted."""
        if self.cancel.is_set():
            raise Interrupted(by_clock=False)
        if time.monotonic() >= self.give_up_at:
            raise Interrupted(by_clock=True)
