"""The demo's parts that need no process: ports, the state file, identities, installation."""

import os
import socket
import stat
from pathlib import Path

import pytest

from demo.node_config import CtePools, node_config, version_tuple
from demo.ports import OFFSETS, PORTS_PER_NODE, PortBlock, PortsBusyError, port_is_free
from demo.processes import ProcessIdentity
from demo.runtimes import NoWheelError, RuntimeInstallError, runtime_install
from demo.session import DemoSession
from demo.simulated import SimulatedNodes
from demo.state import DemoProcess, DemoState, demo_lock, state_read, state_write


def test_block_is_given_once_until_it_is_released() -> None:
    first = PortBlock(nodes=2)
    with pytest.raises(PortsBusyError, match="not all free"):
        PortBlock(nodes=1, base_port=first.ports[1])
    first.release()
    again = PortBlock(nodes=2, base_port=first.base_port)
    assert again.ports == [first.base_port, first.base_port + PORTS_PER_NODE]
    again.release()


@pytest.mark.parametrize("offset", OFFSETS)
def test_block_with_a_port_in_use_is_refused(offset: int) -> None:
    block = PortBlock(nodes=1)
    block.release()
    with socket.create_server(("127.0.0.1", block.base_port + offset)):
        assert not port_is_free(block.base_port + offset)
        with pytest.raises(PortsBusyError, match="Stop what uses them"):
            PortBlock(nodes=1, base_port=block.base_port)


def test_state_is_written_for_its_owner_only_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    state = DemoState(
        url="http://127.0.0.1:1/", token="t", processes=[DemoProcess("starter", 1, 2)]
    )
    mask = os.umask(0)
    try:
        state_write(path, state)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert state_read(path) == state
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.json"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"pids": []}', '{"processes": [1], "pids": []}']
)
def test_unusable_state_counts_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "demo.json"
    path.write_text(content)
    assert state_read(path) == DemoState()


def test_lock_is_held_by_one(tmp_path: Path) -> None:
    path = tmp_path / "demo.lock"
    with demo_lock(path) as first, demo_lock(path) as second:
        assert (first, second) == (True, False)
    with demo_lock(path) as third:
        assert third


def test_identity_of_a_reused_pid_is_nobody() -> None:
    here = ProcessIdentity.of(os.getpid())
    assert here.process() is not None
    assert ProcessIdentity(pid=here.pid, started_at=here.started_at - 60).process() is None


@pytest.mark.parametrize(
    ("version", "cte", "pool_ids"),
    [
        ("2.3.2", CtePools.NONE, "301.0 302.0"),
        ("2.3.2", CtePools.CORE, "301.0 302.0 400.0 512.0"),
        (
            "2.3.2",
            CtePools.ALL,
            "301.0 302.0 400.0 512.0 561.0 564.0 563.0 565.0 560.0",
        ),
        ("2.2.1", CtePools.ALL, "301.0 302.0 400.0 512.0 561.0 563.0 560.0"),
        ("2.0.0", CtePools.ALL, "301.0 302.0 512.0 400.0"),
    ],
)
def test_pools_follow_the_release(
    tmp_path: Path, version: str, cte: CtePools, pool_ids: str
) -> None:
    config = node_config(
        directory=tmp_path,
        version=version_tuple(version),
        port=20000,
        hostfile=None,
        cte=cte,
        num_threads=2,
    )
    assert [pool["pool_id"] for pool in config["compose"]] == pool_ids.split()


def test_installed_runtime_is_not_installed_again(tmp_path: Path) -> None:
    clio_run = tmp_path / "1.2.3" / "bin" / "clio_run"
    clio_run.parent.mkdir(parents=True)
    clio_run.write_text("here")
    (tmp_path / "1.2.3" / ".complete").touch()
    assert runtime_install("1.2.3", directory=tmp_path) == clio_run
    assert clio_run.read_text() == "here"


def test_release_without_a_wheel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An index that answers and has no such wheel, without a network: an empty folder.
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    with pytest.raises(NoWheelError, match=r"iowarp-core 2\.3\.2 has no wheel for this platform"):
        runtime_install("2.3.2", directory=tmp_path / "runtimes")
    assert not (tmp_path / "runtimes" / "2.3.2" / ".complete").exists()


def test_unreachable_index_is_not_taken_for_a_missing_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as reserved:  # bound but not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{reserved.getsockname()[1]}/"
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
            monkeypatch.setenv(name, nowhere)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        monkeypatch.setenv("PIP_RETRIES", "1")
        with pytest.raises(RuntimeInstallError, match="Check the connection") as caught:
            runtime_install("2.3.2", directory=tmp_path)
    assert not isinstance(caught.value, NoWheelError)


def test_without_a_wheel_the_demo_is_simulated_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(version: str) -> Path:
        raise NoWheelError(f"iowarp-core {version} has no wheel for this platform.")

    monkeypatch.setattr("demo.session.runtime_install", none)
    said: list[str] = []
    session = DemoSession(
        directory=tmp_path / "demo",
        state_file=tmp_path / "demo.json",
        port=5000,
        nodes=3,
        simulated=False,
        say=said.append,
    )
    cluster = session._cluster_make()
    try:
        assert isinstance(cluster, SimulatedNodes)
        assert cluster.description.startswith("3 SIMULATED nodes")
        assert (
            "has no wheel for this platform. So this demo runs on a simulated cluster" in said[-1]
        )
    finally:
        cluster.close()
