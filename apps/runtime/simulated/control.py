"""A UNIX socket by which another process sets faults: one JSON object a line, one answer each.

    {"do": "fault", "node": 3, "fault": "slow", "seconds": 2}    → {"ok": true}
    {"do": "clear", "node": 3}            or with "fault"
    {"do": "restart", "node": 3, "down_s": 1.5}
    {"do": "stop", "node": 3}
    {"do": "status"}                      or with "node"         → {"ok": true, "nodes": [...]}

``node`` may be a list. What can't be done answers {"ok": false, "error": "…"}.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from pathlib import Path
from typing import Any

from apps.runtime.simulated.faults import Fault
from apps.runtime.simulated.handle import NodeHandle
from apps.runtime.simulated.server import SimulatedCluster

MAX_LINE = 64 * 1024
_ASK_WITHIN_S = 30.0


class ControlServer:
    """Serves the socket at ``path`` (mode 0600) until `close`. Raises OSError."""

    def __init__(self, cluster: SimulatedCluster, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_socket():
            path.unlink()
        self.path = path
        self._server = _Server(str(path), _Handler)
        self._server.cluster = cluster
        path.chmod(0o600)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="simulated-control", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


def control_ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Send one request and return its answer. Raises OSError when nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_ASK_WITHIN_S)
        client.connect(str(path))
        client.sendall(json.dumps(request).encode() + b"\n")
        with client.makefile("rb") as stream:
            answer: dict[str, Any] = json.loads(stream.readline())
    return answer


def control_do(cluster: SimulatedCluster, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request; what is wrong with it becomes the answer's ``error``."""
    try:
        return {"ok": True, **_do(cluster, dict(request))}
    except (ValueError, TypeError, IndexError) as error:
        return {"ok": False, "error": str(error)}
    except KeyError as error:
        return {"ok": False, "error": f"the request lacks {error}"}


def _do(cluster: SimulatedCluster, request: dict[str, Any]) -> dict[str, Any]:
    verb = request.pop("do")
    if verb == "status" and "node" not in request:
        return {"nodes": [_status(handle) for handle in cluster.nodes()]}
    chosen = request.pop("node")
    handles = [cluster.node(int(node)) for node in (chosen if _is_list(chosen) else [chosen])]
    if verb == "status":
        return {"nodes": [_status(handle) for handle in handles]}
    for handle in handles:
        _one(handle, verb, dict(request))
    return {}


def _one(handle: NodeHandle, verb: str, values: dict[str, Any]) -> None:
    if verb == "fault":
        handle.fault(Fault(values.pop("fault")), **values)
    elif verb == "clear":
        handle.clear(Fault(values["fault"]) if "fault" in values else None)
    elif verb == "restart":
        handle.restart(down_s=float(values.get("down_s", "0")))
    elif verb == "stop":
        handle.stop()
    else:
        raise ValueError(f"unknown request {verb!r}: fault, clear, restart, stop or status")


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _status(handle: NodeHandle) -> dict[str, Any]:
    node = handle.sim
    return {
        "node": node.node_id,
        "address": handle.target.address,
        "condition": node.condition,
        "boot": node.life.boot.generation,
        "faults": [setting.fault for setting in node.faults],
        "calls": dict(node.seen.calls),
        "pairs_spent": node.pairs_spent,
        "harmful_frames": node.seen.harmful_frames,
        "identity_conflicts": node.seen.identity_conflicts,
    }


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    cluster: SimulatedCluster


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)  # noqa: S101 - for the type checker
        while line := self.rfile.readline(MAX_LINE):
            try:
                request = json.loads(line)
            except ValueError as error:
                answer: dict[str, Any] = {"ok": False, "error": f"no JSON: {error}"}
            else:
                answer = (
                    control_do(self.server.cluster, request)
                    if isinstance(request, dict)
                    else {"ok": False, "error": "a request is a JSON object"}
                )
            self.wfile.write(json.dumps(answer).encode() + b"\n")
