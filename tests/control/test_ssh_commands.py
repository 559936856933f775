"""Commands over a real OpenSSH server: output, exit codes, limits, and what outlives them."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from apps.control.remote.failures import (
    Canceled,
    ClioRunNotFound,
    CommandTimedOut,
    PermissionDenied,
)
from apps.control.remote.types import HostKeyPolicy, JumpHost, Line
from tests.control.conftest import Shell
from tests.control.sshd import Sshd, key_fingerprint, sshd_running

TRICKLE = "trap '' TERM; while :; do echo drop; sleep 0.1; done"


def pid_in(path: Path) -> int:
    """The pid that a command wrote down, once it has."""
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"nothing was written to {path}")


def wait_gone(pid: int, *, within_s: float) -> None:
    give_up_at = time.monotonic() + within_s
    while _runs(pid):
        assert time.monotonic() < give_up_at, f"process {pid} still runs"
        time.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_streams_exit_code_and_environment_arrive(shell: Shell, sshd: Sshd) -> None:
    script = 'echo "out $CLIO_X"; echo "err $1" >&2; exit 134'
    result = shell.run("/bin/sh", "-c", script, "sh", "a'b $HOME", env={"CLIO_X": "x; y"})
    assert result.exit_code == 134
    assert shell.texts("stdout") == ["out x; y"]
    assert shell.texts("stderr") == ["err a'b $HOME"]
    assert result.lines_total == 2
    assert not result.truncated
    assert result.host_key_fingerprint == key_fingerprint(sshd.host_key)


def test_the_first_key_is_new_and_the_second_time_known(shell: Shell) -> None:
    assert shell.run("/bin/true").host_key_new
    assert not shell.run("/bin/true").host_key_new
    strict = shell.but(host_key_policy=HostKeyPolicy.STRICT)
    assert strict.run("/bin/true").exit_code == 0


def test_twelve_thousand_lines_arrive_complete(shell: Shell) -> None:
    script = (
        'i=1; while [ $i -le 12000 ]; do echo "line $i of the output"; i=$((i + 1)); done; exit 7'
    )
    result = shell.run("/bin/sh", "-c", script)
    assert (result.exit_code, result.lines_total, result.truncated) == (7, 12_000, False)
    assert shell.texts() == [f"line {number} of the output" for number in range(1, 12_001)]
    assert [line.number for line in shell.lines] == list(range(1, 12_001))


def test_lines_come_while_the_command_runs(shell: Shell, tmp_path: Path) -> None:
    """The command goes on only after its first line was seen here."""
    seen = tmp_path / "seen"

    def note(line: Line) -> None:
        seen.write_text(line.text)

    shell.on_line = note
    script = 'echo first; while [ ! -s "$1" ]; do sleep 0.05; done; echo second'
    assert shell.run("/bin/sh", "-c", script, "sh", str(seen)).exit_code == 0
    assert shell.texts() == ["first", "second"]


def test_a_program_that_is_not_there(shell: Shell) -> None:
    with pytest.raises(ClioRunNotFound) as caught:
        shell.run("/opt/nowhere/clio_run", "stop")
    assert "/opt/nowhere/clio_run was not found on 127.0.0.1" in caught.value.message
    assert caught.value.host_key_fingerprint.startswith("SHA256:")


def test_a_program_that_may_not_be_run(shell: Shell, tmp_path: Path) -> None:
    program = tmp_path / "clio_run"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(PermissionDenied) as caught:
        shell.run(str(program), "stop")
    assert caught.value.code == "permission_denied"
    assert caught.value.extra["exit_code"] == 126


def test_a_command_killed_by_a_signal_has_no_exit_code_of_its_own(shell: Shell) -> None:
    result = shell.run("/bin/sh", "-c", "kill -KILL $$")
    assert result.exit_code in (None, 137)  # what `timeout` makes of it


def test_a_hung_command_is_killed_on_the_far_side(shell: Shell, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with pytest.raises(CommandTimedOut) as caught:
        shell.run("/bin/sh", "-c", 'echo $$ >"$1"; exec sleep 600', "sh", str(note), deadline_s=5)
    assert caught.value.command_began
    assert "did not end within 5 s" in caught.value.message
    wait_gone(pid_in(note), within_s=30)


def test_a_trickle_of_output_does_not_stretch_the_limit(shell: Shell, tmp_path: Path) -> None:
    """Ignores SIGTERM and keeps talking: the wall clock counts, and SIGKILL follows there."""
    note = tmp_path / "pid"
    script = f'echo $$ >"$1"; {TRICKLE}'
    with pytest.raises(CommandTimedOut) as caught:
        shell.run("/bin/sh", "-c", script, "sh", str(note), deadline_s=5)
    assert "drop" in shell.texts()
    assert caught.value.lines_total == len(shell.lines)
    wait_gone(pid_in(note), within_s=40)


def test_cancel_ends_the_command_on_the_far_side(shell: Shell, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    shell.on_line = lambda line: shell.cancel.set()
    script = 'echo $$ >"$1"; echo here; exec sleep 600'
    with pytest.raises(Canceled) as caught:
        shell.run("/bin/sh", "-c", script, "sh", str(note), deadline_s=120)
    assert caught.value.command_began
    assert shell.texts() == ["here"]
    wait_gone(pid_in(note), within_s=30)


def test_what_is_canceled_before_does_not_begin(shell: Shell, tmp_path: Path) -> None:
    shell.cancel.set()
    with pytest.raises(Canceled) as caught:
        shell.run("/bin/touch", str(tmp_path / "touched"))
    assert caught.value.command_began is False
    assert not (tmp_path / "touched").exists()


def test_a_detached_command_outlives_the_session(shell: Shell, tmp_path: Path) -> None:
    log = tmp_path / "new" / "start.log"
    script = "echo up; sleep 600"
    result = shell.run("/bin/sh", "-c", script, detached=True, log_path=str(log))
    assert result.exit_code == 0
    [line] = shell.texts()
    pid = int(line.split()[2].rstrip(","))
    try:
        process = psutil.Process(pid)
        assert process.is_running()
        assert os.getsid(pid) == pid
        assert log.read_text() == "up\n"
    finally:
        os.killpg(pid, signal.SIGKILL)


def test_a_detached_command_that_fails_at_once_says_why(shell: Shell, tmp_path: Path) -> None:
    log = tmp_path / "start.log"
    log.write_text("of an earlier start\n")
    script = "echo port 9413 is taken >&2; exit 1"
    result = shell.run("/bin/sh", "-c", script, detached=True, log_path=str(log))
    assert result.exit_code == 1
    assert shell.texts("stderr") == ["port 9413 is taken", "ended at once with exit code 1"]
    assert log.read_text() == "of an earlier start\nport 9413 is taken\n"


@pytest.mark.parametrize(
    ("program", "failure"), [("/opt/nowhere/clio_run", ClioRunNotFound), ("/", PermissionDenied)]
)
def test_a_detached_command_that_can_not_be_run(
    shell: Shell, tmp_path: Path, program: str, failure: type[Exception]
) -> None:
    with pytest.raises(failure):
        shell.run(program, "start", detached=True, log_path=str(tmp_path / "log"))


def test_several_sessions_at_once_keep_to_themselves(shell: Shell) -> None:
    shells = [shell.but() for _ in range(4)]
    threads = [
        threading.Thread(target=each.run, args=("/bin/echo", str(number)))
        for number, each in enumerate(shells)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The account's own start-up files may say something, too, when several run at once.
    numbers = [[text for text in each.texts() if text.isdigit()] for each in shells]
    assert numbers == [["0"], ["1"], ["2"], ["3"]]


def test_no_thread_stays_behind(shell: Shell) -> None:
    before = set(threading.enumerate())
    shell.run("/bin/true")
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), thread.name


def test_a_login_shell_that_greets_first(shell: Shell, sshd: Sshd, tmp_path: Path) -> None:
    """What ~/.bashrc prints comes before the command's own lines and does no harm."""
    greeting = 'echo "Welcome"; printf "no newline"; eval "$SSH_ORIGINAL_COMMAND"'
    with sshd_running(tmp_path / "greets", options=(f"ForceCommand {greeting}",)) as server:
        greeted = shell.but(port=server.port, key_file=server.client_key)
        result = greeted.run("/bin/sh", "-c", "echo own; exit 3")
        assert result.exit_code == 3
        assert greeted.texts() == ["Welcome", "no newline", "own"]


def test_through_a_jump_host(shell: Shell, sshd: Sshd, tmp_path: Path) -> None:
    with sshd_running(tmp_path / "jump") as gate:
        jump = JumpHost(host="127.0.0.1", port=gate.port, user=gate.user, key_file=gate.client_key)
        through = shell.but(jump=jump)
        result = through.run("/bin/sh", "-c", "echo there; exit 5")
        assert result.exit_code == 5
        assert through.texts() == ["there"]
        assert result.host_key_fingerprint == key_fingerprint(sshd.host_key)
        known = (tmp_path / "known_hosts").read_text()
        assert f"[127.0.0.1]:{gate.port} " in known
        assert f"[127.0.0.1]:{sshd.port} " in known
