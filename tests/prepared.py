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
    """Put a copy into a portal's data directory; one that is there stays.

    Outside a run of tests, as in a benchmark, it is made there.
    """
    target = data_dir / FILE_NAME
    if target.exists():
        return
    if _place:
        shutil.copyfile(_prepared(_place[0] / "prepared"), target)
    else:
        _migrate(data_dir)


def _prepared(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    done = directory / "done.sqlite3"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            _migrate(directory)
            # All of it in one file: the log beside it is merged when the last one closes.
            (directory / FILE_NAME).rename(done)
    return done


def _migrate(data_dir: Path) -> None:
    command = [sys.executable, "manage.py", "migrate", "-v0", "--skip-checks"]
    subprocess.run(command, cwd=ROOT, env=environment({}, data_dir), check=True)
