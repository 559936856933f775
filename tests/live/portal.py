"""A portal as people run it, over a simulated cluster that its control jobs really act on."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.runtime.simulated import SimulatedCluster
from apps.runtime.simulated.control import ControlServer
from apps.runtime.simulated.files import config_text, hostfile_text, text_write
from apps.runtime.simulated.options import Placement, SimOptions
from tests.platform.single import SinglePortal

NODES = 4
READY_WITHIN_S = 120.0
CLIO_RUN = """#!{python} -IS
\"\"\"Stands in for the nodes' clio_run: does to the simulated node what that would do.\"\"\"
import json, os, socket, sys, time
word = sys.argv[1]
node = int(os.environ["CLIO_SERVER_CONF"].rpartition("-")[2])
with socket.socket(socket.AF_UNIX) as line:
    line.settimeout(30)
    line.connect({socket!r})
    for ask in {{"stop": ["stop"], "start": ["restart"], "status": ["status"]}}[word]:
        line.sendall(json.dumps({{"do": ask, "node": node}}).encode() + b"\\n")
        answer = json.loads(line.makefile().readline())
        assert answer["ok"], answer
print(word + " of node " + str(node), flush=True)
if word == "start":
    time.sleep(4)  # as a server would stay
"""


@dataclass
class LivePortal:
    """`tokens`: by name, ``viewer`` (read), ``operator`` and ``administrator`` (operate)."""

    url: str
    sim: SimulatedCluster
    single: SinglePortal
    directory: Path
    """Where its files are, and the `clio_run` of its nodes."""
    tokens: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, *, who: str = "viewer") -> tuple[int, Any]:
        request = urllib.request.Request(  # noqa: S310 - the portal's own address
            self.url + path, headers={"Authorization": f"Token {self.tokens[who]}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def wait_healthy(self) -> None:
        """Until every node is alive, and every kind of figures of all of them is known."""
        paths = ["/api/pools", "/api/workers?node=all"]
        for node_id in range(NODES):
            paths += [
                f"/api/node/{node_id}/{kind}"
                for kind in ("system_stats", "workers", "bdev_stats", "container_stats")
            ]
        until = time.monotonic() + READY_WITHIN_S
        seen: Any = None
        while time.monotonic() < until:
            status, body = self.get("/api/topology")
            seen = status, body.get("counts")
            if status == 200 and body["counts"]["alive"] == NODES:
                seen = [path for path in paths if self.get(path)[0] != 200]
                if not seen and self.get("/api/pools")[1]["nodes_known"] == NODES:
                    return
            time.sleep(0.2)
        raise AssertionError(f"not healthy in time: {seen}\n{self.single.text()[-4000:]}")

    def heal(self) -> None:
        """Start what a test has stopped."""
        for handle in self.sim.nodes():
            handle.clear()
            if handle.sim.condition != "up":
                handle.restart()
        self.wait_healthy()


@contextmanager
def live_portal(directory: Path, **given: str) -> Iterator[LivePortal]:
    """Everything of it ends with the block. `given`: settings, without their prefix."""
    options = SimOptions(
        nodes=NODES, placement=Placement.PORTS, host="127.0.0.1", port=0, uptime_s=300.0
    )
    with SimulatedCluster(options) as sim:
        control = ControlServer(sim, directory / "sim.sock")
        try:
            environment = _environment(directory, sim, control) | {
                f"CLIO_PORTAL_{name}": value for name, value in given.items()
            }
            with SinglePortal(directory, given=environment) as single:
                portal = LivePortal(single.url.rstrip("/"), sim, single, directory)
                for role in ("viewer", "operator", "administrator"):
                    portal.tokens[role] = single.manage(
                        *("portal_account", "--username", f"script-{role}", "--role", role),
                        *("--service", "--token-name", "live", "--json"),
                    )["token"]
                portal.wait_healthy()
                yield portal
        finally:
            control.close()


def _environment(directory: Path, sim: SimulatedCluster, control: ControlServer) -> dict[str, str]:
    hostfile, config = directory / "hostfile", directory / "cluster.yaml"
    text_write(hostfile, hostfile_text(sim.targets()))
    text_write(config, config_text(sim.options, sim.targets(), str(hostfile)))
    clio_run = directory / "clio_run"
    clio_run.write_text(CLIO_RUN.format(python=sys.executable, socket=str(control.path)))
    clio_run.chmod(0o700)
    return {
        "CLIO_SERVER_CONF": str(config),
        "CLIO_PORTAL_ACCESS_METHOD": "local",
        "CLIO_PORTAL_CLIO_RUN": str(clio_run),
        "CLIO_PORTAL_NODE_CONF": str(directory / "node-{node_id}"),
        "CLIO_PORTAL_NODE_LOG": str(directory / "node-{node_id}.log"),
        "CLIO_PORTAL_POLL_SYSTEM_S": "1",
        "CLIO_PORTAL_POLL_WORKERS_S": "1",
        "CLIO_PORTAL_POLL_BLOCK_DEVICES_S": "1",
        "CLIO_PORTAL_POLL_CONTAINERS_S": "2",
        "CLIO_PORTAL_STALE_AFTER_S": "120",
        # Tests ask much; that limits hold is tested apart.
        "CLIO_PORTAL_RATE_TOKEN": "0",
        "CLIO_PORTAL_RATE_USER": "0",
        "CLIO_PORTAL_RATE_CHANGES": "0",
    }
