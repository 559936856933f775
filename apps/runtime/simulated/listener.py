"""The client port of one simulated node, and its ways back to clients."""

from __future__ import annotations

import contextlib
import socket
from collections import OrderedDict
from enum import StrEnum

import zmq

from apps.runtime.simulated.node import MAX_PAIRS
from apps.runtime.types import CLIENT_PORT_OFFSET

PING_MS = 5_000
PING_TTL_MS = 30_000
RECONNECT_MAX_MS = 10_000
_ANY_PORT_TRIES = 50


class Door(StrEnum):
    """The state of a client port."""

    OPEN = "open"
    FROZEN = "frozen"
    CLOSED = "closed"


class Listener:
    """Binds, freezes and closes a node's port; dials clients back. One thread uses it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], host: str, port: int) -> None:
        self.host = host
        self.port = port
        """``networking.port``; 0 until the first bind when any port will do."""
        self.door = Door.CLOSED
        self.router: zmq.Socket[bytes] | None = None
        self._context = context
        self._frozen: socket.socket | None = None
        self._dials: OrderedDict[tuple[bytes, int], zmq.Socket[bytes]] = OrderedDict()
        self._names: dict[bytes, str | None] = {}
        self._dialled = 0

    @property
    def fd(self) -> int | None:
        return None if self.router is None else int(self.router.getsockopt(zmq.FD))

    @property
    def dial_count(self) -> int:
        return len(self._dials)

    def open(self) -> None:
        """Bind the client port for ZeroMQ. Raises OSError (EADDRINUSE …)."""
        self.close()
        router: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        router.linger = 0
        router.setsockopt(zmq.ROUTER_HANDOVER, 1)
        router.setsockopt(zmq.HEARTBEAT_IVL, PING_MS)
        router.setsockopt(zmq.HEARTBEAT_TTL, PING_TTL_MS)
        try:
            self._bind(router)
        except zmq.ZMQError as error:
            router.close()
            raise OSError(error.errno, f"can't bind {self.host}:{self.port + 3}: {error}") from None
        self.router = router
        self.door = Door.OPEN

    def freeze(self) -> None:
        """Listen on plain TCP: the kernel accepts, nobody shakes hands."""
        self.close()
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port + CLIENT_PORT_OFFSET))
            listener.listen(128)
        except OSError:
            listener.close()
            raise
        self._frozen = listener
        self.door = Door.FROZEN

    def close(self) -> None:
        """Close the port; connections end. Ways back stay, as the process may go on."""
        if self.router is not None:
            self.router.close(linger=0)
            self.router = None
        if self._frozen is not None:
            self._frozen.close()
            self._frozen = None
        self.door = Door.CLOSED

    def dials_drop(self) -> None:
        """Forget every way back: the process has ended."""
        for dial in self._dials.values():
            dial.close(linger=0)
        self._dials.clear()

    def dial(self, identity: bytes, port: int, name: str) -> zmq.Socket[bytes] | None:
        """The way back to a client, made on first use; ``None``: its host has no address.

        ``name`` starts the identity that the client's ROUTER sees, as a runtime's
        does: host name, pid, number of the socket.
        """
        pair = (identity, port)
        known = self._dials.get(pair)
        if known is not None:
            self._dials.move_to_end(pair)
            return known
        host = self._host(identity.partition(b":")[0])
        if host is None:
            return None
        made: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        made.linger = 0
        made.setsockopt(zmq.IDENTITY, f"{name}:{self._dialled}".encode())
        made.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        made.connect(f"tcp://{host}:{port}")
        self._dialled += 1
        self._dials[pair] = made
        if len(self._dials) > MAX_PAIRS:
            self._dials.popitem(last=False)[1].close(linger=0)
        return made

    def _bind(self, router: zmq.Socket[bytes]) -> None:
        if self.port:
            router.bind(f"tcp://{self.host}:{self.port + CLIENT_PORT_OFFSET}")
            return
        bound = router.bind_to_random_port(f"tcp://{self.host}", max_tries=_ANY_PORT_TRIES)
        self.port = bound - CLIENT_PORT_OFFSET

    def _host(self, name: bytes) -> str | None:
        """An IPv4 address for the host part of an identity, asked once per name."""
        if name not in self._names:
            self._names[name] = None
            with contextlib.suppress(OSError, UnicodeError):
                self._names[name] = socket.gethostbyname(name.decode())
        return self._names[name]
