"""One run of the demo: a cluster, some load, the portal; and its end."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from demo import ports, processes
from demo.load import DemoLoad
from demo.local_cluster import NODE_READY_TIMEOUT_S, LocalCluster
from demo.portal import USERNAME, DemoPortal, password_generate
from demo.runtimes import DEMO_VERSION, NoWheelError, runtime_install
from demo.simulated import SimulatedNodes
from demo.state import DemoProcess, DemoState, state_read, state_write

# Some 10 s are usual; a machine that is busy with other things deserves patience, not an error.
PORTAL_READY_TIMEOUT_S = 180.0
LEFTOVER_GRACE_S = 10.0
# Keeps the nodes' logs small over days: the load's clients would each leave some lines.
NODE_ENV = {"CTP_LOG_LEVEL": "error"}

Say = Callable[[str], None]


class DemoError(RuntimeError):
    """Why the demo cannot run, and what to do."""


class DemoSession:
    """Start it once, watch it with `ended`, and always `close` it."""

    def __init__(
        self,
        *,
        directory: Path,
        state_file: Path,
        port: int,
        nodes: int,
        simulated: bool,
        say: Say,
    ) -> None:
        self.directory = directory.resolve()
        self.state_file = state_file
        self.state: DemoState = state_read(state_file)
        self._port = port
        self._nodes = nodes
        self._simulated = simulated
        self._say = say
        self._cluster: LocalCluster | SimulatedNodes | None = None
        self._load: DemoLoad | None = None
        self._portal: DemoPortal | None = None

    def start(self) -> None:
        """Start everything and wait until the portal shows the cluster. The state file is
        written at the end. Raises DemoError, NodeStartError, PortalError, RuntimeInstallError."""
        if not ports.loopback_port_is_free(self._port):
            raise DemoError(
                f"Port {self._port} is in use on this machine. Stop what uses it, or choose "
                f"another one: make demo PORT={self._port + 1}"
            )
        if stopped := leftovers_stop(self.directory):
            self._say(f"Stopped {stopped} process(es) that an earlier demo had left.")
        cluster = self._cluster = self._cluster_make()
        access = cluster.access_file_write() if isinstance(cluster, LocalCluster) else None
        portal = DemoPortal(
            port=self._port, config=cluster.config, directory=self.directory, access=access
        )
        self._portal = portal
        account_is_known = bool(self.state.token and self.state.password and portal.has_data)
        if not account_is_known:
            # Before the nodes run: they poll, and would take half of a small machine from it.
            self._account_make(portal)
        self._say(f"Starting {cluster.description} and the portal …")
        cluster.launch()
        portal.start()
        cluster.wait_ready(time.monotonic() + NODE_READY_TIMEOUT_S)
        portal.wait_ready(time.monotonic() + PORTAL_READY_TIMEOUT_S)
        if account_is_known and not portal.token_works(self.state.token):
            self._account_make(portal)
        if isinstance(cluster, LocalCluster):
            self._load = DemoLoad(cluster.nodes, self.directory / "load")
            self._load.start()
        self._state_write(portal, cluster)

    def _cluster_make(self) -> LocalCluster | SimulatedNodes:
        clio_run = None if self._simulated else self._clio_run()
        base_port = self.state.base_port
        # The ports of the last start, so that the nodes keep their addresses and histories.
        for base in (base_port, None) if base_port else (None,):
            with contextlib.suppress(ports.PortsBusyError):
                return self._cluster_at(base, clio_run)
        return self._cluster_at(None, clio_run)

    def _cluster_at(
        self, base_port: int | None, clio_run: Path | None
    ) -> LocalCluster | SimulatedNodes:
        if clio_run is None:
            return SimulatedNodes(
                self.directory / "simulated",
                nodes=self._nodes,
                base_port=base_port,
                env=dict(os.environ),
            )
        return LocalCluster(
            self.directory / "cluster",
            clio_run=clio_run,
            nodes=self._nodes,
            version=DEMO_VERSION,
            base_port=base_port,
            env=NODE_ENV,
        )

    def _clio_run(self) -> Path | None:
        """The runtime's program; None where this platform has none."""
        self._say(f"Looking for iowarp-core {DEMO_VERSION}; the first time, it is installed …")
        try:
            return runtime_install(DEMO_VERSION)
        except NoWheelError as error:
            self._say(f"{error} So this demo runs on a simulated cluster.")
            return None

    def _account_make(self, portal: DemoPortal) -> None:
        self._say("Making the demo's account …")
        self.state.username = USERNAME
        self.state.password = self.state.password or password_generate()
        self.state.token = portal.account_make(self.state.password)

    def _state_write(self, portal: DemoPortal, cluster: LocalCluster | SimulatedNodes) -> None:
        pids = {"starter": os.getpid()} | cluster.pids
        if portal.pid is not None:
            pids["portal"] = portal.pid
        identities = {name: processes.ProcessIdentity.of(pid) for name, pid in pids.items()}
        self.state.url = portal.url
        self.state.hostfile = str(cluster.hostfile)
        self.state.config = str(cluster.config)
        self.state.base_port = cluster.base_port
        self.state.simulated = isinstance(cluster, SimulatedNodes)
        self.state.processes = [
            DemoProcess(name=name, pid=identity.pid, started_at=identity.started_at)
            for name, identity in identities.items()
        ]
        state_write(self.state_file, self.state)

    def ended(self) -> str | None:
        """Why the demo cannot go on (the portal ended); None while it can. Nodes may come and go:
        stopping some is what the demo is for."""
        return self._portal.ended() if self._portal else None

    def close(self) -> None:
        """Stop every process, the portal first, and note in the state file that none runs."""
        with contextlib.ExitStack() as stack:
            # In reverse order, and each one even if another fails.
            stack.callback(self._state_close)
            stack.callback(leftovers_stop, self.directory)
            for part in (self._cluster, self._load, self._portal):
                if part:
                    stack.callback(part.close)

    def _state_close(self) -> None:
        self.state.processes = []
        if self.state.token:
            state_write(self.state_file, self.state)


def leftovers_stop(directory: Path) -> int:
    """Stop what still runs on a configuration below the directory. Gives how many there were."""
    left = [
        process
        for process in processes.processes_with_env("CLIO_SERVER_CONF", directory)
        if process.pid != os.getpid()
    ]
    return processes.processes_stop(left, grace_s=LEFTOVER_GRACE_S)
