"""Blocks of free TCP ports for runtimes that share one machine."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# A runtime binds port, port+1 and port+3; ten between two nodes keep them apart.
PORTS_PER_NODE = 10
OFFSETS = (0, 1, 3)
# Below the range from which kernels give out ports to outgoing connections (32768 and up).
FIRST_PORT = 20_000
LAST_PORT = 32_000
MAX_TRIES = 200


class PortsBusyError(RuntimeError):
    """No free block of ports."""


def _can_bind(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def loopback_port_is_free(port: int) -> bool:
    """Whether a server could bind the port on 127.0.0.1 now."""
    return _can_bind("127.0.0.1", port)


def port_is_free(port: int) -> bool:
    """Whether a server could bind the port now, on loopback and on all addresses."""
    return _can_bind("127.0.0.1", port) and _can_bind("", port)


class PortBlock:
    """A block of ports for `nodes` runtimes, reserved against other users of this module.

    Free ports alone are not enough: a node that is down has none bound, and a second cluster
    would take its place. So each block is also a locked file, until `release`.
    """

    def __init__(self, *, nodes: int, base_port: int | None = None) -> None:
        self._locks: list[int] = []
        self.base_port = self._reserve_any(nodes) if base_port is None else base_port
        if base_port is not None and not self._reserve(base_port, nodes):
            raise PortsBusyError(
                f"Ports {base_port} to {base_port + nodes * PORTS_PER_NODE - 1} are not all free. "
                "Stop what uses them, or choose another base port."
            )
        self.ports = [self.base_port + PORTS_PER_NODE * index for index in range(nodes)]

    def _reserve_any(self, nodes: int) -> int:
        last = LAST_PORT - nodes * PORTS_PER_NODE
        for _ in range(MAX_TRIES):
            start = random.randrange(FIRST_PORT, last, PORTS_PER_NODE)  # noqa: S311 - no secret
            if self._reserve(start, nodes):
                return start
        raise PortsBusyError(
            f"Found no {nodes * PORTS_PER_NODE} free ports in a row between {FIRST_PORT} and "
            f"{LAST_PORT}. Stop other clusters on this machine and try again."
        )

    def _reserve(self, base: int, nodes: int) -> bool:
        end = base + nodes * PORTS_PER_NODE
        wanted = [port + offset for port in range(base, end, PORTS_PER_NODE) for offset in OFFSETS]
        slots = range(base // PORTS_PER_NODE, (end - 1) // PORTS_PER_NODE + 1)
        if all(self._lock(slot) for slot in slots) and all(map(port_is_free, wanted)):
            return True
        self.release()
        return False

    def _lock(self, slot: int) -> bool:
        folder = Path(tempfile.gettempdir()) / f"clio-portal-ports-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(folder / f"{slot}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._locks.append(handle)
        return True

    def release(self) -> None:
        """Give the block back."""
        while self._locks:
            with contextlib.suppress(OSError):
                os.close(self._locks.pop())
