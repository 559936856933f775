"""Running commands on nodes: over SSH, or on the portal's own machine."""

from __future__ import annotations

import threading
from collections.abc import Callable

from apps.control.remote.types import Access, Command, CommandResult, DryRun, Line


def run_command(
    access: Access,
    command: Command,
    *,
    on_line: Callable[[Line], None],
    cancel: threading.Event,
    deadline_s: float,
) -> CommandResult:
    """Run `command` and wait for its end. Raises a RemoteFailure when it has none of its own.

    `on_line` is called from the same or another thread, in order. `cancel` ends the command,
    on the far side too. `deadline_s` is wall clock from the call to the return.
    """
    raise NotImplementedError(access, command, on_line, cancel, deadline_s)


def dry_run(access: Access, command: Command) -> DryRun:
    """What `run_command` would run. Connects to nothing."""
    raise NotImplementedError(access, command)
