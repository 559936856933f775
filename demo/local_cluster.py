"""A cluster of real CLIO Runtime nodes on this machine's loopback.

    with LocalCluster(directory, clio_run=runtime_install("2.3.2")) as cluster:
        cluster.nodes[2].kill()

Every process ends with `close()`, at the exit of this process, and (on Linux) when this process
is killed. Nothing here knows Django.
"""

import atexit
import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import psutil
import yaml

from apps.runtime.types import Target
from demo import node_config, ports, processes
from demo.readiness import Probe

NODE_READY_TIMEOUT_S = 120.0
POLL_S = 0.05
STOP_GRACE_S = 10.0
LOG_TAIL_BYTES = 4000
# Makes a dead peer known to the others in some 15 s instead of 60.
FAILURE_DETECTION_ENV = {
    "CLIO_PROBE_SILENCE_S": "4",
    "CLIO_NET_RETRY_TIMEOUT_S": "4",
    "CLIO_TASK_PROGRESS_INTERVAL_MS": "1000",
}


class NodeStartError(RuntimeError):
    """A node ended or stayed silent while it was started; the message ends with its log."""


def log_tail(path: Path) -> str:
    """The end of a log file, with "(empty)" for none."""
    if not path.exists():
        return "(empty)"
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
        return log.read().decode(errors="replace").strip() or "(empty)"


class LocalNode:
    """One runtime. `node_id` is its line in the host file, from 0."""

    def __init__(
        self,
        *,
        node_id: int,
        port: int,
        directory: Path,
        version: tuple[int, ...],
        pool_ids: frozenset[str],
        clio_run: Path,
        env: Mapping[str, str],
        probe: Probe,
        niceness: int = 0,
    ) -> None:
        self.node_id = node_id
        self.host = "127.0.0.1"
        self.port = port
        self.directory = directory
        self.config = directory / "clio.yaml"
        self.log = directory / "clio_run.log"
        self.version = version
        self.clio_run = clio_run
        self.niceness = niceness
        self.env = dict(env) | {
            "CLIO_SERVER_CONF": str(self.config),
            "CLIO_STORAGE_ROOT": str(directory / "storage"),
        }
        if version < (2, 2):
            self.env["CHI_SERVER_CONF"] = str(self.config)
        self._process: subprocess.Popen[bytes] | None = None
        self._pids: set[int] = set()
        self._pool_ids = pool_ids
        self._probe = probe

    @property
    def pid(self) -> int | None:
        """The daemon's pid, None when it does not run (or was started by somebody else)."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def returncode(self) -> int | None:
        """The exit code of the last run, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def command(self, action: str) -> list[str]:
        """The argv of `start`, `stop` or `status` for this version's command line."""
        middle = ["runtime"] if self.version < (2, 2) else []
        return [str(self.clio_run), *middle, action]

    def launch(self) -> None:
        """Start the daemon without waiting until it answers."""
        if self.pid is not None:
            return
        # As batch work, waking up to spin takes the core from nobody.
        nice = ["chrt", "--batch", "0", "nice", "-n", str(self.niceness)] if self.niceness else []
        self._process = processes.process_spawn(
            nice + self.command("start"), env=self.env, cwd=self.directory, log=self.log
        )
        self._pids.add(self._process.pid)

    def start(self, timeout_s: float = NODE_READY_TIMEOUT_S) -> None:
        """Start the daemon and wait until it answers. Raises NodeStartError."""
        self.launch()
        self.wait_ready(time.monotonic() + timeout_s)

    @property
    def has_cte(self) -> bool:
        return node_config.CTE_POOL_ID in self._pool_ids

    @property
    def target(self) -> Target:
        """How a runtime client addresses this node."""
        return Target(node_id=self.node_id, host=self.host, port=self.port)

    def is_ready(self) -> bool:
        """Whether the node answers and has all its pools (a listening port is no sign)."""
        return self._probe.is_ready(self.target, self._pool_ids)

    def wait_ready(self, deadline: float) -> None:
        """Wait until the node answers, at most until `deadline` (time.monotonic()). Raises
        NodeStartError when the daemon ends or the time is over."""
        while not self.is_ready():
            if self.pid is None:
                raise self._start_error(f"ended with exit code {self.returncode}")
            if time.monotonic() > deadline:
                raise self._start_error("did not answer in time")
            time.sleep(POLL_S)

    def _start_error(self, what: str) -> NodeStartError:
        return NodeStartError(
            f"Node {self.node_id} (port {self.port}) {what}. Its log {self.log} ends:\n"
            f"{log_tail(self.log)}"
        )

    def stop(self, grace_s: float = STOP_GRACE_S) -> int | None:
        """SIGTERM (a graceful stop), after `grace_s` SIGKILL. Gives the exit code."""
        return processes.popen_stop(self._process, grace_s=grace_s) if self._process else None

    def kill(self) -> None:
        """SIGKILL: the node dies as in a crash."""
        if self._process:
            processes.group_signal(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: the node hangs; its ports still accept. Returns when it stands still."""
        if self.pid is None:
            return
        processes.group_signal(self.pid, signal.SIGSTOP)
        process = psutil.Process(self.pid)
        while process.status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}:
            time.sleep(POLL_S)

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        if self._process:
            processes.group_signal(self._process.pid, signal.SIGCONT)

    def leftovers_remove(self) -> None:
        """Remove the run files that a killed daemon leaves in the shared temporary directory."""
        folder = Path(tempfile.gettempdir()) / f"clio_{self.env['USER']}"
        patterns = [f"*_{self.port}", f"*_{self.port}_*", f"clio_{self.port}.ipc"]
        patterns += [f"clio*[-_]{pid}[-_]*" for pid in self._pids]
        for pattern in patterns:
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)


class LocalCluster:
    """Some nodes with one host file, each with a ram and a file block device.

    `cte_nodes` says how many of them (the first ones) also get CTE pools: all of these pools when
    every node gets them, else the core with its tiers, which needs no other node. Versions before
    2.3 have no ports in the host file: they run as one node without one. The client ports of a
    cluster (not of a single node) listen on all addresses, without authentication. A node that
    idles takes a fifth of a core; with a `niceness` above 0 it yields to what has work.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clio_run: Path,
        nodes: int = 4,
        version: str = "2.3.2",
        base_port: int | None = None,
        cte_nodes: int = 1,
        num_threads: int = 2,
        env: Mapping[str, str] | None = None,
        niceness: int = 0,
    ) -> None:
        numbers = node_config.version_tuple(version)
        clustered = numbers >= node_config.FIRST_CLUSTER_VERSION
        if nodes > 1 and not clustered:
            raise ValueError(
                f"iowarp-core {version} has no ports in its host file: several nodes on one "
                "machine need 2.3 or later. Ask for nodes=1."
            )
        self.version = version
        self.clio_run = clio_run
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._block = ports.PortBlock(nodes=nodes, base_port=base_port)
        self.hostfile = self.directory / "hostfile" if clustered else None
        if self.hostfile:
            self.hostfile.write_text("".join(f"127.0.0.1:{port}\n" for port in self._block.ports))
        base_env = self._environment(env or {}, alone=nodes == 1)
        self._probe = Probe(numbers)
        cte = node_config.CtePools.ALL if cte_nodes >= nodes else node_config.CtePools.CORE
        self.nodes: list[LocalNode] = []
        for index, port in enumerate(self._block.ports):
            directory_of_node = self.directory / f"node{index}"
            for name in ("conf", "storage"):
                (directory_of_node / name).mkdir(parents=True, exist_ok=True)
            config = node_config.node_config(
                directory=directory_of_node,
                version=numbers,
                port=port,
                hostfile=self.hostfile,
                cte=cte if index < cte_nodes else node_config.CtePools.NONE,
                num_threads=num_threads,
            )
            node = LocalNode(
                node_id=index,
                port=port,
                directory=directory_of_node,
                version=numbers,
                pool_ids=frozenset(pool["pool_id"] for pool in config["compose"]),
                clio_run=clio_run,
                env=base_env,
                probe=self._probe,
                niceness=niceness,
            )
            node_config.node_config_write(node.config, config)
            self.nodes.append(node)
        self._closed = False
        atexit.register(self.close)

    def _environment(self, extra: Mapping[str, str], *, alone: bool) -> dict[str, str]:
        """This process's environment without the settings of another cluster."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CLIO_", "CHI_", "CTP_", "CONTAINER_HOSTFILE"))
        }
        clean.setdefault("USER", getpass.getuser())
        # A runtime asks nobody for a password, so it had better not listen beyond this machine.
        # But one that is bound to loopback ignores its host file: nodes of a cluster can't be.
        bind = {"CLIO_BIND_ADDR": "127.0.0.1"} if alone else {}
        return clean | bind | {"CLIO_VIZ_ENABLE": "0"} | FAILURE_DETECTION_ENV | dict(extra)

    @property
    def base_port(self) -> int:
        return self._block.base_port

    @property
    def config(self) -> Path:
        """The first node's configuration file, by which a portal finds the whole cluster."""
        return self.nodes[0].config

    @property
    def pids(self) -> dict[str, int]:
        """The running daemons: "node 0" and so on, with their pids."""
        return {f"node {node.node_id}": node.pid for node in self.nodes if node.pid is not None}

    @property
    def description(self) -> str:
        return f"{len(self.nodes)} CLIO nodes (iowarp-core {self.version})"

    def access_file_write(self) -> Path:
        """How the portal may stop and start these nodes: as this user, without SSH."""
        node = self.nodes[0]
        passed_on = ("USER", "HOME", *FAILURE_DETECTION_ENV)
        defaults = {
            "method": "local",
            "clio_run": str(node.clio_run),
            "server_conf": str(self.directory / "node{node_id}" / "clio.yaml"),
            "storage_root": str(self.directory / "node{node_id}" / "storage"),
            "environment": {name: node.env[name] for name in passed_on if name in node.env},
        }
        path = self.directory / "access.yaml"
        path.write_text(yaml.safe_dump({"defaults": defaults}, sort_keys=False))
        return path

    def launch(self) -> None:
        """Start all nodes at once, without waiting."""
        for node in self.nodes:
            node.launch()

    def wait_ready(self, deadline: float) -> None:
        """Wait until each node answers, as LocalNode.wait_ready does."""
        for node in self.nodes:
            node.wait_ready(deadline)

    def start(self, timeout_s: float = NODE_READY_TIMEOUT_S) -> "LocalCluster":
        """Start all nodes and wait until each answers. Raises NodeStartError."""
        self.launch()
        self.wait_ready(time.monotonic() + timeout_s)
        return self

    def close(self) -> None:
        """Stop every process of this cluster, also those that somebody else restarted."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        self._probe.close()
        for node in self.nodes:
            if node.pid is not None:
                processes.group_signal(node.pid, signal.SIGTERM)
                processes.group_signal(node.pid, signal.SIGCONT)
        for node in self.nodes:
            node.stop()
        strays = list(processes.processes_with_env("CLIO_SERVER_CONF", self.directory))
        processes.processes_stop(strays, grace_s=STOP_GRACE_S)
        for node in self.nodes:
            node.leftovers_remove()
        self._block.release()

    def remove(self) -> None:
        """Close, and delete what the nodes stored."""
        self.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> "LocalCluster":
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
