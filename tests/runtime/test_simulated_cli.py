"""The simulated cluster as a program: its files, its control socket, its end."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.cluster.discovery import discover
from apps.runtime.client import ClientOptions
from apps.runtime.errors import RuntimeRefused
from apps.runtime.queries import host_info_read
from apps.runtime.simulated.__main__ import EXIT_FAILED, EXIT_OK, EXIT_USAGE, main
from apps.runtime.types import Target, WireGeneration
from apps.runtime.wire.client import WireClient

WITHIN_S = 30


@pytest.fixture
def program(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running cluster of three nodes, and what it said first."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "apps.runtime.simulated", "--nodes", "3", "--port", "0"),
            *("--hostfile-out", str(tmp_path / "hostfile")),
            *("--config-out", str(tmp_path / "clio.yaml")),
            *("--control", str(tmp_path / "control.sock")),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    yield process, first
    process.kill()
    process.wait(WITHIN_S)
    process.stdout.close()


def targets_of(tmp_path: Path) -> list[Target]:
    lines = (tmp_path / "hostfile").read_text().splitlines()
    pairs = [line.split(":") for line in lines]
    return [Target(number, host, int(port)) for number, (host, port) in enumerate(pairs)]


def test_program_says_what_it_is_and_ends_cleanly_on_sigterm(
    program: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, first = program
    assert first.startswith("SIMULATED cluster, no real CLIO Runtime: 3 nodes")
    process.send_signal(signal.SIGTERM)
    assert process.wait(WITHIN_S) == EXIT_OK
    assert not (tmp_path / "control.sock").exists()


def test_portal_finds_the_cluster_by_its_files(
    program: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    found = discover({"CLIO_SERVER_CONF": str(tmp_path / "clio.yaml")}, home=tmp_path)
    assert found.problem is None
    assert found.targets == tuple(targets_of(tmp_path))
    assert (tmp_path / "clio.yaml").read_text().startswith("# SIMULATED cluster")
    client = WireClient(ClientOptions(generation=WireGeneration.V2_3))
    assert [host_info_read(client, target).hostname for target in targets_of(tmp_path)] == [
        "sim-0001",
        "sim-0002",
        "sim-0003",
    ]
    client.close()


def test_faults_are_set_and_cleared_through_the_control_socket(
    program: tuple[subprocess.Popen[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    target = targets_of(tmp_path)[1]
    client = WireClient(ClientOptions(generation=WireGeneration.V2_3))
    assert main(["ctl", str(path), "fault", "1,2", "return_code", "code=1"]) == EXIT_OK
    with pytest.raises(RuntimeRefused):
        host_info_read(client, target)
    capsys.readouterr()
    assert main(["ctl", str(path), "status"]) == EXIT_OK
    status = json.loads(capsys.readouterr().out)["nodes"]
    assert [node["faults"] for node in status] == [[], ["return_code"], ["return_code"]]
    assert status[1]["calls"]["get_host_info"] == 1
    assert main(["ctl", str(path), "clear", "1"]) == EXIT_OK
    assert host_info_read(client, target).node_id == 1
    client.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fault", "1", "gravity"], "'gravity' is not a valid Fault"),
        (["fault", "1", "slow", "hours=1"], "has no parameter 'hours'"),
        (["fault", "1", "slow", "seconds=nan"], "must be within"),
        (["fault", "9", "slow"], "no node 9"),
        (["fault", "1"], "lacks 'fault'"),
    ],
)
def test_control_says_what_is_wrong_with_a_request(
    program: tuple[subprocess.Popen[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    assert main(["ctl", str(tmp_path / "control.sock"), *words]) == EXIT_FAILED
    assert said in capsys.readouterr().err


def test_control_answers_garbage_with_an_error(
    program: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as raw, raw.makefile("rb") as stream:
        raw.settimeout(WITHIN_S)
        raw.connect(str(tmp_path / "control.sock"))
        for line in (b"\xff\n", b"[]\n", b'{"node": 1}\n', b'{"do": "fly", "node": 1}\n'):
            raw.sendall(line)
            assert json.loads(stream.readline())["ok"] is False


def test_taken_port_fails_with_its_address_and_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = main(["--nodes", "1", "--placement", "ports", "--port", str(port - 3)])
    assert code == EXIT_FAILED
    assert f"can't bind 127.0.0.1:{port}" in capsys.readouterr().err


def test_nobody_at_the_control_socket_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ctl", str(tmp_path / "none.sock"), "status"]) == EXIT_FAILED
    assert "Can't reach a simulated cluster" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nodes", "0"], "nodes must be 1.."),
        (["--gpu-share", "2"], "a share is 0..1"),
        (["--generation", "9"], "invalid choice"),
        (["--nodes", "9000", "--placement", "ports"], "would listen on port"),
    ],
)
def test_wrong_arguments_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == EXIT_USAGE
    assert said in capsys.readouterr().err
