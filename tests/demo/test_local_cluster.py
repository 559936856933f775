"""The cluster that the demo and the tests run: real nodes, and nothing left of them."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import yaml

from apps.runtime.wire.client import WireClient
from demo.local_cluster import LocalCluster, LocalNode, NodeStartError
from demo.processes import ProcessIdentity, processes_with_env

LEAVE_NOTHING_TIMEOUT_S = 60
READY_TIMEOUT_S = 60


def becomes_ready(node: LocalNode) -> bool:
    """Does it answer? On a busy machine one question may time out."""
    node.wait_ready(time.monotonic() + READY_TIMEOUT_S)
    return True


def processes_of(directory: Path) -> list[psutil.Process]:
    return list(processes_with_env("CLIO_SERVER_CONF", directory))


def test_cluster_four_nodes_answer_under_their_own_ports(cluster4: LocalCluster) -> None:
    assert [node.node_id for node in cluster4.nodes] == [0, 1, 2, 3]
    assert all(becomes_ready(node) for node in cluster4.nodes)
    assert cluster4.hostfile is not None
    lines = cluster4.hostfile.read_text().splitlines()
    assert lines == [f"127.0.0.1:{node.port}" for node in cluster4.nodes]
    assert len({node.pid for node in cluster4.nodes}) == 4
    with closing(WireClient()) as client:
        infos = [
            client.host_info(node.target, deadline_s=READY_TIMEOUT_S) for node in cluster4.nodes
        ]
    assert [info.node_id for info in infos] == [0, 1, 2, 3]


def test_cluster_only_the_first_node_has_the_cte_pools(cluster4: LocalCluster) -> None:
    pool_ids = [
        {pool["pool_id"] for pool in yaml.safe_load(node.config.read_text())["compose"]}
        for node in cluster4.nodes
    ]
    assert pool_ids[0] == {"301.0", "302.0", "400.0", "512.0"}
    assert pool_ids[1:] == [{"301.0", "302.0"}] * 3


def test_node_killed_is_started_again_with_a_new_pid(cluster4: LocalCluster) -> None:
    node = cluster4.nodes[2]
    before = node.pid
    node.kill()
    assert node.pid is None
    assert node.returncode == -signal.SIGKILL
    assert not node.is_ready()
    node.start()
    assert node.pid not in {None, before}


def test_node_stop_is_graceful(cluster4: LocalCluster) -> None:
    assert cluster4.nodes[1].stop() == 0
    assert not cluster4.nodes[1].is_ready()


def test_node_paused_lives_and_resumes(cluster4: LocalCluster) -> None:
    node = cluster4.nodes[3]
    node.pause()
    assert node.pid is not None
    assert psutil.Process(node.pid).status() == psutil.STATUS_STOPPED
    node.resume()
    node.start()


def test_close_stops_running_killed_paused_and_foreign_processes(
    clio_run_2_3_2: Path, tmp_path: Path
) -> None:
    cluster = LocalCluster(tmp_path / "c", clio_run=clio_run_2_3_2, nodes=3, cte_nodes=0).start()
    killed, paused, restarted = cluster.nodes
    killed.kill()
    paused.pause()
    restarted.stop()
    # As the portal does over SSH: a process that is no child of the cluster.
    with (tmp_path / "log").open("wb") as log:
        stranger = subprocess.Popen(
            restarted.command("start"),
            env=restarted.env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert {process.pid for process in processes_of(cluster.directory)} >= {stranger.pid}
    cluster.close()
    stranger.wait(timeout=LEAVE_NOTHING_TIMEOUT_S)
    assert processes_of(cluster.directory) == []
    cluster.close()  # a second time is nothing


def test_node_that_cannot_start_says_why(clio_run_2_3_2: Path, tmp_path: Path) -> None:
    cluster = LocalCluster(tmp_path / "c", clio_run=clio_run_2_3_2, nodes=1)
    cluster.nodes[0].config.write_text("networking: {port: [not a port\n")
    with pytest.raises(NodeStartError, match=r"(?s)Node 0 \(port \d+\).*log"), cluster:
        pytest.fail("the node must not start")
    assert processes_of(cluster.directory) == []


STARTER = """
import os, sys, pathlib
from demo.local_cluster import LocalCluster
cluster = LocalCluster(pathlib.Path(sys.argv[1]), clio_run=pathlib.Path(sys.argv[2]), nodes=1,
                       cte_nodes=0).start()
print(cluster.nodes[0].pid, flush=True)
if sys.argv[3] == "exit":
    sys.exit()
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["exit", "killed"])
def test_node_ends_with_its_starter(clio_run_2_3_2: Path, tmp_path: Path, how: str) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "c"), str(clio_run_2_3_2), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert starter.stdout
    line = starter.stdout.readline()
    assert line.strip().isdigit()
    if how == "killed":
        assert ProcessIdentity.of(int(line)).process() is not None
        starter.kill()
    starter.communicate(timeout=LEAVE_NOTHING_TIMEOUT_S)
    _, left = psutil.wait_procs(processes_of(tmp_path / "c"), timeout=LEAVE_NOTHING_TIMEOUT_S)
    assert left == []


def test_version_without_ports_in_its_host_file_refuses_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"2\.2\.1 has no ports in its host file"):
        LocalCluster(tmp_path, clio_run=Path("clio_run"), nodes=2, version="2.2.1")


def test_single_nodes_of_older_releases_start(node_2_2_1: LocalNode, node_2_0_0: LocalNode) -> None:
    assert becomes_ready(node_2_2_1)
    assert becomes_ready(node_2_0_0)
    assert node_2_0_0.pid is not None
    assert node_2_0_0.pid != node_2_2_1.pid
