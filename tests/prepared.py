"""A database as `migrate` leaves it, made once for all tests of a run that only need one.

The tests of migrating, of the first start and of upgrades make their own.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from tests.platform.process import ROOT, environment

FILE_NAME = "portal.sqlite3"
_place: list[Path] = []


def prepared_keep_in(directory: Path) -> None:
    """Where all xdist workers of the run find it."""
    _place[:] = [directory]


def database_prepare(data_dir: Path) -> None:
    """Put a copy into a portal's data directory; one that is there stays."""
    target = data_dir / FILE_NAME
    if not target.exists():
        shutil.copyfile(_prepared(), target)


def _prepared() -> Path:
    directory = _place[0] / "prepared"
    directory.mkdir(exist_ok=True)
    done = directory / "done.sqlite3"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            command = [sys.executable, "manage.py", "migrate", "-v0", "--skip-checks"]
            subprocess.run(command, cwd=ROOT, env=environment({}, directory), check=True)
            # All of it in one file: the log beside it is merged when the last one closes.
            (directory / FILE_NAME).rename(done)
    return done
