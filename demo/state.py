"""var/demo.json: how to sign in to the running demo, and which processes are its own."""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from demo.processes import ProcessIdentity


@dataclass(frozen=True, slots=True)
class DemoProcess:
    """One process of the demo: its part ("starter", "portal", "node 0") and identity."""

    name: str
    pid: int
    started_at: float

    @property
    def identity(self) -> ProcessIdentity:
        return ProcessIdentity(pid=self.pid, started_at=self.started_at)


@dataclass(slots=True)
class DemoState:
    """The content of var/demo.json. After a stop `pids` and `processes` are empty and the rest
    stays, so that the next start keeps the account and the nodes' addresses."""

    url: str = ""
    username: str = ""
    password: str = ""
    token: str = ""
    hostfile: str = ""
    config: str = ""
    base_port: int | None = None
    simulated: bool = False
    processes: list[DemoProcess] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.processes]

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"pids": self.pids}


def state_read(path: Path) -> DemoState:
    """What the last start wrote; an empty state when there is none or it cannot be used."""
    try:
        content = json.loads(path.read_text())
        processes = [DemoProcess(**process) for process in content.pop("processes")]
        content.pop("pids")
        return DemoState(**content, processes=processes)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return DemoState()


def state_write(path: Path, state: DemoState) -> None:
    """Replace the file at once, readable by its owner only: it holds a password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file with mode 0600.
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(state.as_json(), file, indent=2)
            file.write("\n")
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def demo_lock(path: Path) -> Iterator[bool]:
    """Hold the demo's lock file for as long as the block runs; False when another demo holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
