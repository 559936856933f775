"""One TCP connection to a runtime: a DEALER whose identity serves this connection only.

It never reconnects by itself. Two live connections of one identity abort a runtime,
and the runtime may still hold the old one (after a pause, a cut link) when a new one
comes; and what waits in a reconnecting socket would reach a restarted runtime. So
a lost channel is closed, with all that was not sent, and the next one is new.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from enum import Enum, auto

import zmq
from zmq.utils.monitor import parse_monitor_message

from apps.runtime.wire.layout import MAX_BODY_BYTES
from apps.runtime.wire.reactor import Reactor, Socket

NEVER = -1
SEND_QUEUE = 1_000
"""Requests that may wait for a runtime that does not read."""


class ChannelEvent(Enum):
    ACCEPTED = auto()
    """TCP is connected; no sign of life yet."""
    HANDSHAKEN = auto()
    REFUSED = auto()
    """TCP did not connect: refused, no route or dropped."""
    LOST = auto()
    """A connected channel ended, before or after its handshake."""


WATCHED = (
    zmq.Event.CONNECTED | zmq.Event.HANDSHAKE_SUCCEEDED | zmq.Event.CLOSED | zmq.Event.DISCONNECTED
)
EVENTS = {
    int(zmq.Event.CONNECTED): ChannelEvent.ACCEPTED,
    int(zmq.Event.HANDSHAKE_SUCCEEDED): ChannelEvent.HANDSHAKEN,
    int(zmq.Event.CLOSED): ChannelEvent.REFUSED,
    int(zmq.Event.DISCONNECTED): ChannelEvent.LOST,
}

OnEvent = Callable[["Channel", ChannelEvent], None]
OnBody = Callable[[bytes], None]


def monitor_open(context: zmq.Context[Socket], watched: Socket, events: int) -> Socket:
    """The socket on which ``watched`` tells its events; none is ever dropped."""
    endpoint = f"inproc://monitor-{secrets.token_hex(8)}"
    watched.monitor(endpoint, events)
    monitor = context.socket(zmq.PAIR)
    monitor.linger = 0
    monitor.rcvhwm = 0
    monitor.connect(endpoint)
    return monitor


class Channel:
    """Raises zmq.ZMQError when it can't be made (no descriptors left)."""

    def __init__(
        self,
        reactor: Reactor,
        context: zmq.Context[Socket],
        *,
        address: str,
        dialback_host: str,
        connect_timeout_s: float,
        on_event: OnEvent,
        on_body: OnBody,
    ) -> None:
        self._reactor = reactor
        self._on_event = on_event
        self._on_body = on_body
        self._closed = False
        self._dealer = context.socket(zmq.DEALER)
        self._dealer.linger = 0
        self._dealer.immediate = True
        self._dealer.reconnect_ivl = NEVER
        self._dealer.connect_timeout = int(connect_timeout_s * 1000)
        self._dealer.maxmsgsize = MAX_BODY_BYTES
        self._dealer.sndhwm = SEND_QUEUE
        self._dealer.identity = f"{dialback_host}:{secrets.token_hex(8)}".encode()
        try:
            self._monitor = monitor_open(context, self._dealer, WATCHED)
        except zmq.ZMQError:
            self._dealer.close()
            raise
        reactor.watch(self._monitor, self._monitor_drain)
        reactor.watch(self._dealer, self.drain)
        self._dealer.connect(f"tcp://{address}")

    def send(self, body: bytes) -> bool:
        """Hand over one request, now or not at all. False: the runtime does not take it."""
        # Looking at the events first makes the socket see what changed on the connection.
        writable = int(self._dealer.get(zmq.EVENTS)) & zmq.POLLOUT
        self._reactor.recheck(self._dealer)
        if not writable:
            return False
        try:
            self._dealer.send_multipart([b"", body], zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def drain(self) -> None:
        """Take every answer that has come on this connection (generation 2.0)."""
        while not self._closed:
            try:
                frames = self._dealer.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._on_body(frames[-1])

    def close(self) -> None:
        """Drop the connection and whatever was not sent. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for socket in (self._monitor, self._dealer):
            self._reactor.unwatch(socket)
        self._dealer.disable_monitor()
        self._monitor.close(0)
        self._dealer.close(0)

    def _monitor_drain(self) -> None:
        while not self._closed:
            try:
                message = self._monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            event = EVENTS.get(int(parse_monitor_message(message)["event"]))
            if event is not None:
                self._on_event(self, event)
