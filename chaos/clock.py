"""The portal's clock set an hour ahead or back, while it runs.

A small library (`clock.c`, compiled when it is needed) is loaded into the portal's processes
and adds what a file says to the time of day. PostgreSQL, Redis and the nodes keep the right
time, and the monotonic clock stays as it is, as it does when a real clock is set. (Debian's
libfaketime 0.9.10 can't do that: with the monotonic clock left alone, Python can't sleep.)
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


class CompilerMissing(RuntimeError):
    """There is no C compiler."""


class Clock:
    """Raises CompilerMissing."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise CompilerMissing("There is no C compiler (on Debian: apt install gcc libc6-dev).")
        self._file = directory / "clock"
        self._library = directory / "clock.so"
        command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(self._library), str(SOURCE)]
        subprocess.run([*command, "-ldl"], check=True)
        self.set(0)

    def set(self, offset_s: int) -> None:
        """Processes see it within a second."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{offset_s}\n")
        draft.replace(self._file)

    def environment(self) -> dict[str, str]:
        """For the processes whose clock this is."""
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._file)}
