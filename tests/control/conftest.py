"""A real sshd for the tests that ask for one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from apps.control.remote.run import run_command
from apps.control.remote.types import Access, Command, CommandResult, Limits, Line, Method
from tests.control.sshd import Sshd, sshd_path, sshd_running

PATIENT = Limits(connect_s=20, banner_s=20, authentication_s=30, silence_s=60)
"""For sessions that are meant to succeed, on a machine that may be busy."""


@dataclass
class Shell:
    """Runs commands by one Access and keeps the lines."""

    access: Access
    lines: list[Line] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)
    on_line: Callable[[Line], None] | None = None

    def run(self, *argv: str, deadline_s: float = 60, **command: Any) -> CommandResult:
        self.lines.clear()
        return run_command(
            self.access,
            Command(argv=list(argv), **command),
            on_line=self._take,
            cancel=self.cancel,
            deadline_s=deadline_s,
        )

    def _take(self, line: Line) -> None:
        self.lines.append(line)
        if self.on_line:
            self.on_line(line)

    def texts(self, stream: str | None = None) -> list[str]:
        return [line.text for line in self.lines if stream in (None, line.stream)]

    def but(self, **changes: Any) -> Shell:
        return Shell(replace(self.access, **changes))


def shell_of(server: Sshd, known_hosts: Path, **changes: Any) -> Shell:
    access = Access(
        name="node 3 (127.0.0.1:9413)",
        method=Method.SSH,
        clio_run="/opt/clio/bin/clio_run",
        host="127.0.0.1",
        port=server.port,
        user=server.user,
        key_file=server.client_key,
        known_hosts=known_hosts,
        limits=PATIENT,
    )
    return Shell(replace(access, **changes))


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A real OpenSSH server, one for each module."""
    if sshd_path() is None:
        pytest.skip("needs sshd (on Debian: apt install openssh-server)")
    with sshd_running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def shell(sshd: Sshd, tmp_path: Path) -> Shell:
    """Commands over the real sshd, with a file of known hosts of its own."""
    return shell_of(sshd, tmp_path / "known_hosts")


@pytest.fixture
def local() -> Shell:
    """Commands on this machine, without SSH."""
    return Shell(
        Access(name="node 0 (127.0.0.1:9413)", method=Method.LOCAL, clio_run="/bin/clio_run")
    )
