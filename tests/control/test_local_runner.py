"""Commands on the portal's own machine: the same words, lines and limits, without SSH."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from apps.control.remote.failures import (
    Canceled,
    ClioRunNotFound,
    CommandTimedOut,
    PermissionDenied,
)
from tests.control.conftest import Shell
from tests.control.test_ssh_commands import pid_in, wait_gone


def test_streams_exit_code_and_environment(local: Shell) -> None:
    result = local.run(
        "/bin/sh", "-c", 'echo "out $CLIO_X"; echo err >&2; exit 3', env={"CLIO_X": "a 'b"}
    )
    assert (result.exit_code, result.lines_total, result.truncated) == (3, 2, False)
    assert (result.host_key_fingerprint, result.host_key_new) == ("", False)
    assert local.texts("stdout") == ["out a 'b"]
    assert local.texts("stderr") == ["err"]


def test_the_portals_own_variables_stay_with_the_portal(
    local: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIO_PORTAL_SECRET_KEY", "sesame")
    monkeypatch.setenv("CLIO_SERVER_CONF", "/another/cluster.yaml")
    local.run("/usr/bin/env", env={"CLIO_STORAGE_ROOT": "/data"})
    names = {text.partition("=")[0] for text in local.texts()}
    assert "CLIO_STORAGE_ROOT" in names
    assert "PATH" in names
    assert not names & {"CLIO_PORTAL_SECRET_KEY", "CLIO_SERVER_CONF"}


def test_twelve_thousand_lines_arrive_complete(local: Shell) -> None:
    result = local.run("/usr/bin/seq", "12000")
    assert (result.exit_code, result.lines_total, result.truncated) == (0, 12_000, False)
    assert local.texts() == [str(number) for number in range(1, 12_001)]


def test_a_program_that_is_not_there(local: Shell) -> None:
    with pytest.raises(ClioRunNotFound) as caught:
        local.run("/opt/nowhere/clio_run", "stop")
    assert "on this machine" in caught.value.message


def test_a_program_that_may_not_be_run(local: Shell, tmp_path: Path) -> None:
    program = tmp_path / "clio_run"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(PermissionDenied):
        local.run(str(program), "stop")


def test_a_hung_command_and_its_children_are_killed(local: Shell, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >\"$0\"; while :; do sleep 1; done' "
    with pytest.raises(CommandTimedOut) as caught:
        local.run("/bin/sh", "-c", f'{script} "$1"', "sh", str(note), deadline_s=2)
    assert caught.value.command_began
    wait_gone(pid_in(note), within_s=30)


def test_cancel_ends_the_command(local: Shell, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    local.on_line = lambda line: local.cancel.set()
    with pytest.raises(Canceled):
        local.run("/bin/sh", "-c", 'echo $$ >"$1"; echo here; exec sleep 600', "sh", str(note))
    assert local.texts() == ["here"]
    wait_gone(pid_in(note), within_s=30)


def test_what_a_command_leaves_behind_does_not_hold_the_job(local: Shell) -> None:
    """A child that keeps the output open."""
    result = local.run("/bin/sh", "-c", "echo here; setsid sleep 30 & echo $!; exit 4")
    assert result.exit_code == 4
    here, pid = local.texts()
    assert here == "here"
    os.kill(int(pid), signal.SIGKILL)


STARTER = """
import sys, threading
from apps.control.remote.run import run_command
from apps.control.remote.types import Access, Command, Method
access = Access(name="node 0", method=Method.LOCAL, clio_run="/bin/sh")
command = Command(argv=["/bin/sh", "-c", "echo up; sleep 600"], detached=True, log_path=sys.argv[1])
run_command(access, command, on_line=lambda line: print(line.text, flush=True),
            cancel=threading.Event(), deadline_s=30)
threading.Event().wait()
"""


def test_a_detached_command_outlives_the_portal(tmp_path: Path) -> None:
    """The process that started it, and all of its process group, are killed."""
    log = tmp_path / "start.log"
    portal = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(log)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert portal.stdout is not None
    # Its log goes to the same stream.
    said = next(line for line in portal.stdout if line.startswith("started, pid "))
    pid = int(said.split()[2].rstrip(","))
    os.killpg(portal.pid, signal.SIGKILL)
    portal.wait()
    portal.stdout.close()
    try:
        assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        assert os.getsid(pid) == pid
        assert log.read_text() == "up\n"
    finally:
        os.killpg(pid, signal.SIGKILL)
