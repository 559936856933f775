"""Where runtimes of generation 2.2 and 2.3 dial back to answer.

One socket per local address takes the answers of all runtimes, but each runtime is
given a port of its own on it. So when somebody dials in, the port tells which
runtime it was: the one proof that a silent runtime is not of generation 2.0.

The socket is a DEALER that never sends, not a ROUTER. A ROUTER keeps a table of its
peers' identities; runtimes choose theirs, and two that chose alike would
throw each other out. A DEALER takes what comes.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable

import zmq
from zmq.utils.monitor import parse_monitor_message

from apps.runtime.wire.channel import OnBody, monitor_open
from apps.runtime.wire.layout import MAX_BODY_BYTES
from apps.runtime.wire.reactor import Reactor, Socket

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - only when the dial-back address is not this machine's own

OnAccepted = Callable[[int], None]
"""Called with the port on which a runtime has dialled in."""


class NoPortLeftError(Exception):
    """Every port of the configured range is taken; the message says so."""


class Listener:
    """Answers that arrive at one local address."""

    def __init__(
        self,
        reactor: Reactor,
        context: zmq.Context[Socket],
        *,
        host: str,
        ports: tuple[int, int] | None,
        on_accepted: OnAccepted,
        on_body: OnBody,
    ) -> None:
        self.host = host
        self._reactor = reactor
        self._ports = ports
        self._on_accepted = on_accepted
        self._on_body = on_body
        self._endpoints: dict[int, str] = {}
        self._socket = context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.maxmsgsize = MAX_BODY_BYTES
        try:
            self._monitor = monitor_open(context, self._socket, zmq.Event.ACCEPTED)
        except zmq.ZMQError:
            self._socket.close()
            raise
        reactor.watch(self._monitor, self._monitor_drain)
        reactor.watch(self._socket, self.drain)

    def port_open(self) -> int:
        """Listen on one more port and give it. Raises NoPortLeftError or zmq.ZMQError."""
        try:
            return self._port_open(self.host)
        except zmq.ZMQError as error:
            # A translated or published address is not ours to bind.
            if error.errno not in (errno.EADDRNOTAVAIL, errno.ENODEV):
                raise
            return self._port_open(ANY_ADDRESS)

    def port_close(self, port: int) -> None:
        self._socket.unbind(self._endpoints.pop(port))
        self._reactor.recheck(self._socket)

    def drain(self) -> None:
        """Take every answer that has come."""
        while not self._socket.closed:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._on_body(frames[-1])

    def close(self) -> None:
        for socket in (self._monitor, self._socket):
            self._reactor.unwatch(socket)
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)

    def _port_open(self, host: str) -> int:
        if self._ports is None:
            self._socket.bind(f"tcp://{host}:*")
        else:
            self._bind_in_range(host, *self._ports)
        self._reactor.recheck(self._socket)
        endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        port = int(endpoint.rpartition(":")[2])
        self._endpoints[port] = endpoint
        return port

    def _bind_in_range(self, host: str, first: int, last: int) -> None:
        free = [port for port in range(first, last + 1) if port not in self._endpoints]
        random.shuffle(free)  # several processes may share the range
        for port in free:
            try:
                self._socket.bind(f"tcp://{host}:{port}")
            except zmq.ZMQError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return
        raise NoPortLeftError(f"no free port in {first}..{last} on {host} to be answered on")

    def _monitor_drain(self) -> None:
        while not self._socket.closed:
            try:
                message = self._monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            endpoint = parse_monitor_message(message)["endpoint"]
            self._on_accepted(int(endpoint.rstrip(b"\0").rpartition(b":")[2]))
