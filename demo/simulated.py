"""The demo's cluster where no runtime can be installed: simulated nodes, plainly named so."""

import subprocess
import sys
import time
from pathlib import Path

from demo import processes
from demo.local_cluster import POLL_S, STOP_GRACE_S, NodeStartError, log_tail
from demo.ports import PORTS_PER_NODE, PortBlock

REPOSITORY = Path(__file__).resolve().parent.parent


class SimulatedNodes:
    """One process that plays `nodes` nodes on loopback. Closes like a LocalCluster."""

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int,
        base_port: int | None,
        env: dict[str, str],
    ) -> None:
        self.directory = directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.hostfile = self.directory / "hostfile"
        self.config = self.directory / "clio.yaml"
        self.log = self.directory / "simulated.log"
        self._block = PortBlock(nodes=nodes, base_port=base_port)
        self.base_port = self._block.base_port
        self._nodes = nodes
        # As for a real node: what belongs to this cluster is found by this variable.
        self._env = env | {"CLIO_SERVER_CONF": str(self.config)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pids(self) -> dict[str, int]:
        return {"simulated nodes": self._process.pid} if self._process else {}

    @property
    def description(self) -> str:
        return f"{self._nodes} SIMULATED nodes (their figures are made up)"

    def launch(self) -> None:
        for path in (self.hostfile, self.config):
            path.unlink(missing_ok=True)
        arguments = ["--nodes", str(self._nodes), "--placement", "ports"]
        arguments += ["--port", str(self.base_port), "--port-step", str(PORTS_PER_NODE)]
        arguments += ["--hostfile-out", str(self.hostfile), "--config-out", str(self.config)]
        arguments += ["--control", str(self.directory / "control.sock")]
        self._process = processes.process_spawn(
            [sys.executable, "-m", "apps.runtime.simulated", *arguments],
            env=self._env,
            cwd=REPOSITORY,
            log=self.log,
        )

    def wait_ready(self, deadline: float) -> None:
        """Wait until the nodes listen: their configuration is written then."""
        while not self.config.exists():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise NodeStartError(
                    f"The simulated cluster did not start. Its log {self.log} ends:\n"
                    f"{log_tail(self.log)}"
                )
            time.sleep(POLL_S)

    def close(self) -> None:
        if self._process:
            processes.popen_stop(self._process, grace_s=STOP_GRACE_S)
        self._block.release()
