"""A real runtime, stopped and started over a real sshd and without one."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from apps.control.access import step_command
from apps.control.actions import START, STATUS, STOP, Step
from apps.control.remote.run import run_command
from apps.control.remote.types import CommandResult, Method
from demo.local_cluster import LocalNode
from tests.control.conftest import Shell

STOPPED, RUNNING = 1, 0


@pytest.fixture(params=["ssh", "local"])
def node_shell(request: pytest.FixtureRequest, node_2_3_2: LocalNode, tmp_path: Path) -> Shell:
    shell: Shell = request.getfixturevalue("shell" if request.param == "ssh" else "local")
    names = ("CLIO_SERVER_CONF", "CLIO_STORAGE_ROOT", "CLIO_BIND_ADDR", "CLIO_VIZ_ENABLE", "USER")
    access = replace(
        shell.access,
        method=Method(request.param),
        clio_run=str(node_2_3_2.clio_run),
        environment={name: node_2_3_2.env[name] for name in names},
        log_path=str(tmp_path / "start.log"),
    )
    return Shell(access)


def step_run(shell: Shell, step: Step) -> CommandResult:
    shell.lines.clear()
    return run_command(
        shell.access,
        step_command(step, shell.access),
        on_line=shell.lines.append,
        cancel=shell.cancel,
        deadline_s=step.time_limit_s,
    )


def test_a_node_is_stopped_and_started(node_shell: Shell, node_2_3_2: LocalNode) -> None:
    node = node_2_3_2
    first = node.pid
    assert step_run(node_shell, STATUS).exit_code == RUNNING
    assert node_shell.lines

    assert step_run(node_shell, STOP).exit_code in STOP.success_codes
    give_up_at = time.monotonic() + 60
    while node.pid is not None:
        assert time.monotonic() < give_up_at, "the node did not go down"
        time.sleep(0.1)
    assert step_run(node_shell, STATUS).exit_code == STOPPED

    started = step_run(node_shell, START)
    assert started.exit_code == 0
    [said] = node_shell.texts("stdout")
    pid = int(said.split()[2].rstrip(","))
    give_up_at = time.monotonic() + 60
    while not node.is_ready():
        assert time.monotonic() < give_up_at, "the node did not come back"
        time.sleep(0.1)
    assert pid != first
    assert psutil.Process(pid).environ()["CLIO_SERVER_CONF"] == str(node.config)

    # A second start finds the port taken; the node that runs is none the worse for it.
    step_run(node_shell, START)
    assert psutil.pid_exists(pid)
    assert node.is_ready()
