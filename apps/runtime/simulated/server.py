"""A cluster of simulated runtimes in one process, on real sockets.

One thread serves all nodes: it waits on the event descriptors of their ROUTER
sockets (edge-triggered: a ready socket is read until it is empty) and on a pipe
by which other threads hand it work.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import logging
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import zmq

from apps.runtime.simulated.clock import Clock, SystemClock
from apps.runtime.simulated.faults import Fault
from apps.runtime.simulated.handle import NodeHandle
from apps.runtime.simulated.limits import descriptors_raise
from apps.runtime.simulated.listener import Door, Listener
from apps.runtime.simulated.node import Condition, Reply, SimNode
from apps.runtime.simulated.options import SimOptions
from apps.runtime.simulated.profile import profile_make
from apps.runtime.types import Target

T = TypeVar("T")

logger = logging.getLogger(__name__)

_REBIND_AFTER_S = 0.05
_REBIND_FOR_S = 10.0
_START_WITHIN_S = 60.0
_PER_READY_SOCKET = 256
"""Requests served in a row before other nodes get their turn."""


class SimulatedCluster:
    """Simulated runtimes, node ids 0..n-1. Use as a context manager, or `start` and `stop`."""

    def __init__(self, options: SimOptions, *, clock: Clock | None = None) -> None:
        self.options = options
        self.clock: Clock = clock if clock is not None else SystemClock()
        self._nodes = [self._node_make(node_id) for node_id in range(options.nodes)]
        self._listeners: list[Listener] = []
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_ids = itertools.count()
        self._work: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._wake_read, self._wake_write = os.pipe()
        self._thread: threading.Thread | None = None
        self._stopping = False

    # --- for everybody ------------------------------------------------------------------

    def start(self) -> None:
        """Bind every node and serve. Raises OSError when a port is taken."""
        descriptors_raise(self.options.nodes)
        os.set_blocking(self._wake_read, False)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(self.options.io_threads)
        self._context.set(zmq.MAX_SOCKETS, self._context.get(zmq.SOCKET_LIMIT))
        self._listeners = [
            Listener(self._context, self.options.host_of(node_id), self.options.port_of(node_id))
            for node_id in range(self.options.nodes)
        ]
        try:
            for node_id in range(self.options.nodes):
                self._door_open(node_id)
        except OSError:
            self._sockets_close()
            raise
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="simulated-runtime", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close every socket and end the thread. Idempotent."""
        if self._thread is None or self._stopping:
            return
        self._stopping = True
        os.write(self._wake_write, b"x")
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def __enter__(self) -> SimulatedCluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def node(self, node_id: int) -> NodeHandle:
        """Raises IndexError for a node that is not there."""
        if not 0 <= node_id < len(self._nodes):
            raise IndexError(f"no node {node_id}; there are 0..{len(self._nodes) - 1}")
        return NodeHandle(self, self._nodes[node_id])

    def nodes(self) -> Iterator[NodeHandle]:
        return (NodeHandle(self, node) for node in self._nodes)

    def target(self, node_id: int) -> Target:
        listener = self._listeners[node_id]
        return Target(node_id, listener.host, listener.port)

    def targets(self) -> list[Target]:
        return [self.target(node_id) for node_id in range(len(self._nodes))]

    def call(self, work: Callable[[], T]) -> T:
        """Run on the serving thread and wait; there, nodes may be changed."""
        if self._thread is None or threading.current_thread() is self._thread:
            return work()
        if self._stopping:
            raise RuntimeError("the simulated cluster has been stopped")
        future: Future[T] = Future()
        self._work.append((future, work))
        os.write(self._wake_write, b"x")
        return future.result(_START_WITHIN_S)

    # --- what a node knows of its peers (`Peers`) -----------------------------------------

    def peer(self, node_id: int) -> SimNode | None:
        return self._nodes[node_id] if 0 <= node_id < len(self._nodes) else None

    def node_count(self) -> int:
        return len(self._nodes)

    def peer_timeout_s(self) -> float:
        return self.options.peer_timeout_s

    def stop_later(self, node: SimNode, after_s: float) -> None:
        boot = node.life.boot.number

        def end() -> None:
            if node.life.boot.number == boot and node.condition is Condition.SERVING:
                node.condition = Condition.STOPPED
                self._door_settle(node.node_id)

        self._later(after_s, end)

    # --- the serving thread ---------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select(self._next_timer_s()):
                if key.data is None:
                    self._work_do()
                else:
                    self._drain(key.data)
            self._timers_fire()
        self._sockets_close()

    def _work_do(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4_096)
        while self._work:
            future, work = self._work.popleft()
            try:
                future.set_result(work())
            except (ValueError, IndexError, OSError, zmq.ZMQError) as error:
                future.set_exception(error)

    def _drain(self, node_id: int) -> None:
        """Serve what waits at a node's port until it is empty, or others have waited enough."""
        listener, node = self._listeners[node_id], self._nodes[node_id]
        for _ in range(_PER_READY_SOCKET):
            if listener.router is None:
                return
            try:
                frames = listener.router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._take(node, frames[0], frames[-1])
        self._later(0.0, lambda: self._drain(node_id))

    def _take(self, node: SimNode, identity: bytes, body: bytes) -> None:
        before = node.condition
        for reply in node.receive(identity, body):
            if reply.delay_s > 0:
                self._reply_later(node, reply)
            else:
                self._send(node, reply)
        if node.condition is not before:
            self._door_settle(node.node_id)

    def _reply_later(self, node: SimNode, reply: Reply) -> None:
        boot = node.life.boot.number

        def send() -> None:
            if node.life.boot.number == boot and node.condition is Condition.SERVING:
                self._send(node, reply)
                # Sending may have taken the sign of a request that came meanwhile.
                self._drain(node.node_id)

        self._later(reply.delay_s, send)

    def _send(self, node: SimNode, reply: Reply) -> None:
        listener = self._listeners[node.node_id]
        if reply.port is None:
            socket, frames = listener.router, [reply.identity, b"", reply.body]
        else:
            name = f"{node.life.profile.hostname}:{node.life.boot.pid}"
            socket = listener.dial(reply.identity, reply.port, name)
            frames = [b"", reply.body]
        if socket is None or reply.body is None:
            return
        # A client that does not read loses replies once its pipe is full.
        with contextlib.suppress(zmq.Again):
            socket.send_multipart([frame for frame in frames if frame is not None], zmq.NOBLOCK)

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        due = time.monotonic() + delay_s
        heapq.heappush(self._timers, (due, next(self._timer_ids), action))

    def _next_timer_s(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _timers_fire(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    # --- doors ----------------------------------------------------------------------------

    def _door_wanted(self, node: SimNode) -> Door:
        ended = node.condition in (Condition.DEAD, Condition.STOPPED)
        if ended or node.has_fault(Fault.REFUSES):
            return Door.CLOSED
        return Door.FROZEN if node.has_fault(Fault.FROZEN) else Door.OPEN

    def _door_settle(self, node_id: int, tries_until: float | None = None) -> None:
        """Bring a node's port to what its condition and faults ask for."""
        node, listener = self._nodes[node_id], self._listeners[node_id]
        wanted = self._door_wanted(node)
        if node.condition in (Condition.DEAD, Condition.STOPPED):
            listener.dials_drop()
        if wanted is listener.door:
            return
        self._unwatch(listener)
        if wanted is Door.CLOSED:
            listener.close()
            return
        try:
            if wanted is Door.OPEN:
                self._door_open(node_id)
            else:
                listener.freeze()
        except OSError as error:
            # A socket that was just closed gives its port back a moment later.
            until = tries_until or time.monotonic() + _REBIND_FOR_S
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                logger.error("simulated node %d stays down: %s", node_id, error)
                return
            self._later(_REBIND_AFTER_S, lambda: self._door_settle(node_id, until))

    def _door_open(self, node_id: int) -> None:
        listener = self._listeners[node_id]
        listener.open()
        fd = listener.fd
        if fd is not None:
            self._selector.register(fd, selectors.EVENT_READ, node_id)
        # What came between bind and register has already given its sign.
        self._later(0.0, lambda: self._drain(node_id))

    def _unwatch(self, listener: Listener) -> None:
        fd = listener.fd
        if fd is not None:
            self._selector.unregister(fd)

    def _sockets_close(self) -> None:
        for listener in self._listeners:
            listener.close()
            listener.dials_drop()
        self._selector.close()
        self._context.term()

    # --- for `NodeHandle`, on the serving thread --------------------------------------------

    def node_change(self, node_id: int, change: Callable[[SimNode], None]) -> None:
        """Change a node, then let its port and its held requests follow.

        Returns when the port is what the change asks for: a port that was just
        closed can be had again only a moment later.
        """

        def work() -> None:
            node = self._nodes[node_id]
            change(node)
            if not self._listeners:
                return
            self._door_settle(node_id)
            if not node.has_fault(Fault.HUNG):
                held, node.held = node.held, []
                for identity, body in held:
                    self._take(node, identity, body)
                self._drain(node_id)

        self.call(work)
        if self._listeners and threading.current_thread() is not self._thread:
            self._door_await(node_id)

    def _door_await(self, node_id: int) -> None:
        until = time.monotonic() + _REBIND_FOR_S
        node, listener = self._nodes[node_id], self._listeners[node_id]
        while listener.door is not self._door_wanted(node) and time.monotonic() < until:
            time.sleep(_REBIND_AFTER_S / 5)

    def node_restart(self, node_id: int, down_s: float) -> None:
        def down() -> None:
            node = self._nodes[node_id]
            node.condition = Condition.STOPPED
            self._door_settle(node_id)
            self._later(down_s, up)

        def up() -> None:
            self._nodes[node_id].restart()
            self._door_settle(node_id)

        self.call(down)

    def _node_make(self, node_id: int) -> SimNode:
        options = self.options
        profile = profile_make(options.seed, node_id, options.host_of(node_id), options.fleet)
        return SimNode(
            profile,
            generation=options.generation,
            clock=self.clock,
            peers=self,
            ring_length=options.ring_length,
            uptime_s=options.uptime_s,
        )
