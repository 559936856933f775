"""The wire client's one thread: owns every socket, every link and every key."""

from __future__ import annotations

import logging
import os
import secrets

import zmq

from apps.runtime.client import ClientOptions, PairsObserver
from apps.runtime.errors import ClientClosed, RuntimeFailure
from apps.runtime.types import Connection, Target, WireGeneration
from apps.runtime.wire.addresses import Found, Resolver
from apps.runtime.wire.calls import Call
from apps.runtime.wire.channel import Channel, OnBody, OnEvent
from apps.runtime.wire.descriptors import descriptors_ensure
from apps.runtime.wire.detection import DetectionTimes
from apps.runtime.wire.frames import U64_MAX, TaskId, reply_key
from apps.runtime.wire.link import Link
from apps.runtime.wire.listener import Listener
from apps.runtime.wire.reactor import Reactor, Socket, Timer, Work
from apps.runtime.wire.surroundings import KeyHolder

log = logging.getLogger(__name__)

MAX_SOCKETS = 65_000
Address = tuple[str, int]


class Hub:
    """`run` is the thread's body. Only `submit`, `forget`, `stop` and `connection` may be
    called from other threads."""

    def __init__(
        self, options: ClientOptions, times: DetectionTimes, pairs_observer: PairsObserver | None
    ) -> None:
        self.options = options
        self.times = times
        self._pairs_observer = pairs_observer
        self._reactor = Reactor()
        self._context: zmq.Context[Socket] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
        self._resolver = Resolver()
        self._links: dict[Address, Link] = {}
        self._listeners: dict[str, Listener] = {}
        self._ports: dict[tuple[str, int], KeyHolder] = {}
        self._shared_ports: dict[str, int] = {}
        self._keys: dict[int, KeyHolder] = {}
        self._last_key = secrets.randbits(64)
        self._sequence = 0
        self._pid = os.getpid()
        self._published: dict[Address, Connection] = {}
        self.strays = 0
        """Answers that nobody waited for any more, or never did."""

    # --- from any thread

    def submit(self, call: Call) -> None:
        if not self._reactor.post(lambda: self._link(call.target).submit(call)):
            call.fail(ClientClosed(f"{call}: the client is closed."))

    def forget(self, target: Target) -> None:
        self._reactor.post(lambda: self._forget(target))

    def stop(self) -> None:
        self._reactor.stop()

    def connection(self, target: Target) -> Connection:
        known = self._published.get((target.host, target.client_port))
        return known or Connection(target, None, None, None, False, None, 0)

    # --- the thread

    def run(self) -> None:
        """Serve until `stop`; leaves nothing open, whatever ends it."""
        failure = ClientClosed("The client is closed.")
        try:
            self._reactor.run()
        except BaseException:
            failure = ClientClosed("The client's I/O thread has failed; the log says how.")
            raise
        finally:
            self._end(failure)

    def _end(self, failure: RuntimeFailure) -> None:
        self._reactor.refuse()
        self._resolver.close()
        for link in self._links.values():
            link.close(failure)
        for listener in self._listeners.values():
            listener.close()
        self._reactor.close()
        self._context.destroy(linger=0)

    def _link(self, target: Target) -> Link:
        """The link to an address; it goes by the name that was used last."""
        address = (target.host, target.client_port)
        link = self._links.get(address)
        if link is None:
            descriptors_ensure(len(self._links) + 1)
            link = self._links[address] = Link(self, target)
        link.target = target
        return link

    def _forget(self, target: Target) -> None:
        address = (target.host, target.client_port)
        link = self._links.get(address)
        if link is not None and link.target == target:
            del self._links[address]
            link.close(ClientClosed(f"{target} has left the cluster."))
            self._published.pop(address, None)

    # --- what links use

    def after(self, delay_s: float, work: Work) -> Timer:
        return self._reactor.after(delay_s, work)

    def key_new(self, link: KeyHolder) -> TaskId:
        self._last_key = (self._last_key + 1) & U64_MAX
        self._sequence += 1
        self._keys[self._last_key] = link
        return TaskId(self._last_key, pid=self._pid, sequence=self._sequence)

    def key_drop(self, key: int) -> None:
        self._keys.pop(key, None)

    def lookup(self, host: str, found: Found) -> None:
        """``found`` comes back on this thread."""

        def post(ip: str | None, why: str) -> None:
            self._reactor.post(lambda: found(ip, why))

        self._resolver.lookup(host, post)

    def listener(self, host: str) -> Listener:
        if host not in self._listeners:
            self._listeners[host] = Listener(
                self._reactor,
                self._context,
                host=host,
                ports=self.options.dialback_ports,
                on_accepted=lambda port: self._accepted(host, port),
                on_body=self.body,
            )
        return self._listeners[host]

    def port_claim(self, listener: Listener, link: KeyHolder) -> int:
        """A port for one runtime. With 2.3 forced nobody must be told apart: one serves all."""
        host = listener.host
        if self.options.generation is WireGeneration.V2_3:
            if host not in self._shared_ports:
                self._shared_ports[host] = listener.port_open()
            return self._shared_ports[host]
        port = listener.port_open()
        self._ports[host, port] = link
        return port

    def port_release(self, listener: Listener, port: int) -> None:
        if self._ports.pop((listener.host, port), None) is not None:
            listener.port_close(port)

    def channel(
        self, address: str, dialback_host: str, on_event: OnEvent, on_body: OnBody
    ) -> Channel:
        return Channel(
            self._reactor,
            self._context,
            address=address,
            dialback_host=dialback_host,
            connect_timeout_s=self.options.handshake_s,
            on_event=on_event,
            on_body=on_body,
        )

    def body(self, body: bytes) -> None:
        """Bring an answer to who asked, by its key; what nobody asked is dropped."""
        key = reply_key(body)
        link = None if key is None else self._keys.get(key)
        if key is None or link is None:
            self.strays += 1
        else:
            link.replied(key, body)

    def answers_drain(self) -> None:
        for listener in self._listeners.values():
            listener.drain()

    def published(self, connection: Connection) -> None:
        target = connection.target
        self._published[target.host, target.client_port] = connection

    def pairs_warned(self, connection: Connection) -> None:
        log.warning(
            "%s: %d of the 1,000 connections that a 2.2 runtime serves in its life are spent; "
            "restart it, or update it to 2.3, before they run out",
            connection.target,
            connection.dialback_pairs_spent,
        )
        if self._pairs_observer is not None:
            self._pairs_observer(connection)

    def _accepted(self, host: str, port: int) -> None:
        link = self._ports.get((host, port))
        if link is not None:
            link.dialled_back()
