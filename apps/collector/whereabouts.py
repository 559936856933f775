"""Where a process runs, so that another one in the same place can tell that it is gone."""

from __future__ import annotations

import functools
import os
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")


@functools.cache
def place() -> str:
    """One machine's start and one space of process numbers; empty where that can't be told."""
    try:
        return f"{BOOT_ID.read_text().strip()}/{PID_NAMESPACE.readlink()}"
    except OSError:
        return ""


def process_is_gone(where: str, pid: int) -> bool:
    """Certainly? A process of another place may always be alive."""
    if not where or where != place():
        return False
    if pid == os.getpid():
        return True  # its number is ours now
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
