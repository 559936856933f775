"""Clusters to measure beside: real runtimes on loopback, or one process that simulates them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

NODES = 4
START_WITHIN_S = 60.0


class BenchCluster(Protocol):
    """`hostfile` names its nodes; one of them can be paused, as by SIGSTOP."""

    kind: str
    hostfile: Path

    def pause(self, node_id: int) -> None: ...

    def resume(self, node_id: int) -> None: ...


@dataclass(slots=True)
class Simulated:
    hostfile: Path
    control: Path
    kind: str = "simulated"

    def pause(self, node_id: int) -> None:
        self._tell("fault", str(node_id), "hung")

    def resume(self, node_id: int) -> None:
        self._tell("clear", str(node_id))

    def _tell(self, *words: str) -> None:
        command = [sys.executable, "-m", "apps.runtime.simulated", "ctl", str(self.control)]
        subprocess.run([*command, *words], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def simulated_cluster(directory: Path) -> Iterator[BenchCluster]:
    hostfile, control = directory / "hostfile", directory / "control.sock"
    command = [sys.executable, "-m", "apps.runtime.simulated", "--nodes", str(NODES)]
    command += ["--placement", "ports", "--port", "0", "--hostfile-out", str(hostfile)]
    server = subprocess.Popen([*command, "--control", str(control)], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_WITHIN_S
        while not (hostfile.exists() and control.exists()):
            if server.poll() is not None or time.monotonic() > until:
                raise SystemExit("The simulated cluster did not start.")
            time.sleep(0.1)
        yield Simulated(hostfile, control)
    finally:
        server.terminate()
        server.wait()


@contextmanager
def real_cluster(directory: Path, version: str) -> Iterator[BenchCluster]:
    """Raises RuntimeInstallError where that release can't be had."""
    from demo.local_cluster import LocalCluster
    from demo.runtimes import runtime_install

    clio_run = runtime_install(version)
    with LocalCluster(directory / "cluster", clio_run=clio_run, nodes=NODES) as cluster:
        yield _Real(cluster)


class _Real:
    kind = "real"

    def __init__(self, cluster: object) -> None:
        from demo.local_cluster import LocalCluster

        assert isinstance(cluster, LocalCluster)
        assert cluster.hostfile is not None
        self._cluster = cluster
        self.hostfile = cluster.hostfile

    def pause(self, node_id: int) -> None:
        self._cluster.nodes[node_id].pause()

    def resume(self, node_id: int) -> None:
        self._cluster.nodes[node_id].resume()
