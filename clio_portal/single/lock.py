"""One portal for each data directory."""

from __future__ import annotations

import fcntl
import json
import os
from datetime import datetime
from pathlib import Path
from typing import IO

FILE_NAME = "portal.lock"


class AlreadyRunning(Exception):
    """Another portal has the data directory."""

    def __init__(self, path: Path, holder: dict[str, object]) -> None:
        pid, since, address = (holder.get(key) for key in ("pid", "since", "address"))
        who = f"process {pid}, since {since}, at {address}" if pid else "another process"
        super().__init__(
            f"A portal already runs on the data in {path.parent}: {who}.\n"
            "Stop it first, or give this one its own data: CLIO_PORTAL_DATA_DIR=/another/directory."
        )


class DataLock:
    """Held until `release` or the process's end, however it ends: the system frees it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Raises AlreadyRunning, saying who holds it."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(file)
            file.close()
            raise AlreadyRunning(self.path, holder) from None
        file.truncate(0)  # what is there is of a holder that was killed
        self._file = file

    def describe(self, *, address: str, at: datetime) -> None:
        """Say in the file who holds it, for the one who will be refused."""
        if self._file is None:
            raise RuntimeError("The lock is not held.")
        since = at.isoformat(timespec="seconds")
        self._file.seek(0)
        json.dump({"pid": os.getpid(), "since": since, "address": address}, self._file)
        self._file.flush()

    def release(self) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None


def _read(file: IO[str]) -> dict[str, object]:
    try:
        holder = json.load(file)
    except ValueError:  # its holder is just writing it
        return {}
    return holder if isinstance(holder, dict) else {}
