"""`python -m demo` from outside: what it writes, whom it lets in, and that it leaves nothing."""

import json
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from demo.local_cluster import log_tail
from demo.ports import PortBlock
from demo.processes import processes_with_env

REPOSITORY = Path(__file__).parents[2]
READY_TIMEOUT_S = 240
STOP_TIMEOUT_S = 60
# Starting a demo means starting Django three times: these tests share one where they can.
pytestmark = pytest.mark.xdist_group("runtime")


@dataclass
class RunningDemo:
    """A demo in a directory of its own, started as a person would."""

    directory: Path
    port: int
    process: subprocess.Popen[str]

    @property
    def state(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.state_file.read_text())
        return content

    @property
    def state_file(self) -> Path:
        return self.directory.with_suffix(".json")

    @property
    def output(self) -> str:
        return log_tail(self.directory.with_suffix(".out"))

    def wait_ready(self) -> None:
        """Until the sign-in is printed; fails with the output when the demo ends before."""
        for _ in range(READY_TIMEOUT_S * 10):
            if "Sign in" in self.output:
                return
            try:
                self.process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"The demo ended with exit code {self.process.returncode}: {self.output}")
        pytest.fail(f"The demo was not ready in time: {self.output}")

    def left(self) -> list[psutil.Process]:
        """Processes of this demo that have not ended, after some time to do so."""
        processes = list(processes_with_env("CLIO_SERVER_CONF", self.directory))
        return psutil.wait_procs(processes, timeout=STOP_TIMEOUT_S)[1]


def demo_command(directory: Path, port: int, *more: str) -> list[str]:
    arguments = ["--directory", str(directory), "--port", str(port), *more]
    return [sys.executable, "-m", "demo", *arguments]


def demo_start(directory: Path, *more: str) -> RunningDemo:
    block = PortBlock(nodes=1)
    block.release()
    with directory.with_suffix(".out").open("w") as output:
        process = subprocess.Popen(
            demo_command(directory, block.base_port, *more),
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )
    return RunningDemo(directory=directory, port=block.base_port, process=process)


def demo_end(demo: RunningDemo) -> None:
    """As with Ctrl-C. It ends well, and nothing is left of it."""
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(timeout=STOP_TIMEOUT_S) == 0
    assert demo.left() == []


def topology(state: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - http on loopback
        f"{state['url']}api/topology", headers={"Authorization": f"Token {state['token']}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        content: dict[str, Any] = json.load(answer)
    return content


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A demo of two simulated nodes, ready; started again when a test has stopped it."""
    running = demo_start(tmp_path_factory.mktemp("demo") / "demo", "--simulated", "--nodes", "2")
    try:
        running.wait_ready()
        yield running
    finally:
        demo_end(running)


def test_state_file_says_how_to_sign_in_to_its_owner_only(demo: RunningDemo) -> None:
    assert stat.S_IMODE(demo.state_file.stat().st_mode) == 0o600
    state = demo.state
    assert state["url"] == f"http://127.0.0.1:{demo.port}/"
    assert state["username"] == "demo"
    assert len(Path(state["hostfile"]).read_text().splitlines()) == 2
    assert demo.process.pid in state["pids"]
    assert all(psutil.pid_exists(pid) for pid in state["pids"])
    names = [process["name"] for process in state["processes"]]
    assert names == ["starter", "simulated nodes", "portal"]
    assert f"{state['username']}  {state['password']}" in demo.output


def test_simulated_cluster_is_called_so(demo: RunningDemo) -> None:
    assert demo.state["simulated"] is True
    assert "2 SIMULATED nodes" in demo.output


def test_token_opens_the_api_which_shows_the_nodes(demo: RunningDemo) -> None:
    nodes = topology(demo.state)["nodes"]
    assert [node["node_id"] for node in nodes] == [0, 1]


def test_second_demo_on_the_same_data_is_refused(demo: RunningDemo) -> None:
    second = subprocess.run(
        demo_command(demo.directory, demo.port + 1, "--simulated"),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=STOP_TIMEOUT_S,
        check=False,
    )
    assert second.returncode == 1
    assert f"already runs, at {demo.state['url']}" in second.stdout
    assert topology(demo.state)["nodes"]


def samples_kept(demo: RunningDemo) -> set[int]:
    """The keys of the samples that its portal has stored."""
    (database,) = demo.directory.rglob("portal.sqlite3")
    with closing(sqlite3.connect(database)) as connection:
        return {key for (key,) in connection.execute("SELECT id FROM nodes_samplechunk")}


def test_sigterm_stops_all_and_the_next_start_keeps_account_addresses_and_samples(
    tmp_path: Path,
) -> None:
    first = demo_start(tmp_path / "demo", "--simulated", "--nodes", "2")
    first.wait_ready()
    before = first.state
    hostfile = Path(before["hostfile"]).read_text()
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(timeout=STOP_TIMEOUT_S) == 0
    assert first.left() == []
    assert first.state["pids"] == []
    samples = samples_kept(first)
    assert samples

    second = demo_start(tmp_path / "demo", "--simulated", "--nodes", "2")
    second.wait_ready()
    after = second.state
    kept = ("username", "password", "token")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert Path(after["hostfile"]).read_text() == hostfile
    assert len(topology(after)["nodes"]) == 2
    assert samples_kept(second) >= samples

    # And when the portal dies, the demo says so, and ends with all of its parts.
    kill(second, "portal")
    assert second.process.wait(timeout=STOP_TIMEOUT_S) == 1
    assert "The portal ended with exit code -9" in second.output
    assert second.left() == []


def kill(demo: RunningDemo, part: str) -> None:
    pids = {process["name"]: process["pid"] for process in demo.state["processes"]}
    psutil.Process(pids[part]).kill()


def test_the_starter_s_death_leaves_nothing(tmp_path: Path) -> None:
    demo = demo_start(tmp_path / "demo", "--simulated", "--nodes", "1")
    demo.wait_ready()
    kill(demo, "starter")
    demo.process.wait(timeout=STOP_TIMEOUT_S)
    assert demo.left() == []


def test_busy_port_is_reported_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            demo_command(tmp_path / "demo", port, "--simulated"),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=STOP_TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stdout
    assert f"make demo PORT={port + 1}" in done.stdout


@pytest.mark.parametrize(
    ("option", "value"), [("--port", "0"), ("--port", "x"), ("--nodes", "0"), ("--nodes", "33")]
)
def test_wrong_number_is_refused_with_its_range(tmp_path: Path, option: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--directory", str(tmp_path / "demo"), option, value],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=STOP_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 2
    assert "a number from 1 to" in done.stderr


@pytest.mark.runtime
def test_real_nodes_are_shown_alive_and_demo_stop_ends_them(tmp_path: Path) -> None:
    demo = demo_start(tmp_path / "demo", "--nodes", "2")
    demo.wait_ready()
    assert demo.state["simulated"] is False
    nodes = topology(demo.state)["nodes"]
    assert [(node["node_id"], node["alive"]) for node in nodes] == [(0, True), (1, True)]
    stop = subprocess.run(
        [sys.executable, "-m", "demo", "stop", "--directory", str(demo.directory)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=STOP_TIMEOUT_S,
        check=False,
    )
    assert (stop.returncode, stop.stdout) == (0, "The demo has stopped.\n")
    assert demo.process.wait(timeout=STOP_TIMEOUT_S) == 0
    assert demo.left() == []


def test_stop_without_a_demo_says_so(tmp_path: Path) -> None:
    stop = subprocess.run(
        [sys.executable, "-m", "demo", "stop", "--directory", str(tmp_path / "demo")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=STOP_TIMEOUT_S,
        check=False,
    )
    assert (stop.returncode, stop.stdout) == (0, "The demo does not run.\n")
