"""`WireClient`: the door to the wire for every other part of the portal."""

from __future__ import annotations

import os
import threading
import weakref
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from apps.runtime.client import DEFAULT_DEADLINE_S, ClientOptions, PairsObserver
from apps.runtime.decode import HOST_INFO
from apps.runtime.errors import ClientClosed, RuntimeTimedOut
from apps.runtime.queries import host_info_read
from apps.runtime.reach import probe_many
from apps.runtime.types import Answer, Connection, HostInfo, Reachability, Route, Target
from apps.runtime.wire.addresses import dialback_host_check
from apps.runtime.wire.calls import Call
from apps.runtime.wire.detection import DetectionTimes
from apps.runtime.wire.frames import U32_MAX, route_build
from apps.runtime.wire.hub import Hub
from apps.runtime.wire.layout import MAX_QUERY_BYTES, FrameError, Method

CLOSE_PATIENCE_S = 10.0
HUB_PATIENCE_S = 5.0
"""How much later than a deadline its future may end before the I/O thread counts as stuck."""


class WireClient:
    """A `RuntimeClient` over ZeroMQ; see there for the methods.

    Connections are made when they are first needed, and kept. Build one per process and
    close it; after a fork build a new one.
    """

    def __init__(
        self,
        options: ClientOptions | None = None,
        *,
        pairs_observer: PairsObserver | None = None,
        detection_times: DetectionTimes | None = None,
    ) -> None:
        """Raises ValueError for options that no runtime could work with."""
        options = options or ClientOptions()
        _options_check(options)
        self._pid = os.getpid()
        self._hub = Hub(options, detection_times or DetectionTimes(), pairs_observer)
        self._thread = threading.Thread(target=self._hub.run, name="wire-client", daemon=True)
        self._thread.start()
        # Also at the interpreter's exit, or when nobody refers to the client any more.
        self._shut = weakref.finalize(self, _hub_shut, self._hub, self._thread, self._pid)

    def monitor_submit(
        self,
        target: Target,
        query: str,
        *,
        route: Route = Route.local(),  # noqa: B008 - frozen value
        deadline_s: float = DEFAULT_DEADLINE_S,
    ) -> Future[Answer]:
        """As promised by `RuntimeClient`. A query or route that can't be sent is a ValueError."""
        size = len(query.encode())
        if size > MAX_QUERY_BYTES:
            raise ValueError(f"the query has {size} bytes; at most {MAX_QUERY_BYTES} can be sent")
        try:
            route_build(route)
        except FrameError as error:
            raise ValueError(str(error)) from error
        return self._submit(Call(target, Method.MONITOR, deadline_s, query=query, route=route))

    def monitor(
        self,
        target: Target,
        query: str,
        *,
        route: Route = Route.local(),  # noqa: B008 - frozen value
        deadline_s: float = DEFAULT_DEADLINE_S,
    ) -> Answer:
        future = self.monitor_submit(target, query, route=route, deadline_s=deadline_s)
        return self._result(future, target, query, deadline_s)

    def stop(self, target: Target, *, grace_ms: int, deadline_s: float) -> None:
        """Ask the runtime to stop, right after it has answered on the same connection.

        Returns when it has agreed. Raises RuntimeUnreachable when the connection ended
        first; release 2.2.0 stops without an answer, so look at the node then.
        """
        if not 0 <= grace_ms <= U32_MAX:
            raise ValueError(f"grace_ms must be 0..{U32_MAX}, got {grace_ms}")
        alive = self.monitor(target, HOST_INFO, deadline_s=deadline_s)
        call = Call(target, Method.STOP_RUNTIME, deadline_s, grace_ms=grace_ms, boot=alive.boot)
        self._result(self._submit(call), target, call.what, deadline_s)

    def host_info(self, target: Target, *, deadline_s: float = DEFAULT_DEADLINE_S) -> HostInfo:
        return host_info_read(self, target, deadline_s=deadline_s)

    def reachability(self, target: Target, *, deadline_s: float = 1.0) -> Reachability:
        found = probe_many([target], timeout_s=deadline_s)
        return found.get(target, Reachability.UNREACHABLE)

    def connection(self, target: Target) -> Connection:
        return self._hub.connection(target)

    @property
    def strays(self) -> int:
        """Answers that were dropped: too late, or to nobody's question."""
        return self._hub.strays

    def forget(self, target: Target) -> None:
        if os.getpid() == self._pid:
            self._hub.forget(target)

    def close(self) -> None:
        """As promised by `RuntimeClient`; returns when the thread and its sockets are gone.

        In a forked child it does nothing: the connections belong to the parent.
        """
        self._shut()
        _thread_await(self._thread, self._pid)

    def __enter__(self) -> WireClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, call: Call) -> Future[Answer]:
        if os.getpid() != self._pid:
            raise ClientClosed(
                f"{call}: this client was made before the process forked.",
                remedy="Make a client in each process that uses one.",
            )
        if not call.deadline_s > 0:
            raise ValueError(f"deadline_s must be more than 0, got {call.deadline_s}")
        if not 1 <= call.target.client_port <= 65_535:
            raise ValueError(f"{call.target}: client port {call.target.client_port} is no port")
        call.future.set_running_or_notify_cancel()  # what was sent can't be taken back
        self._hub.submit(call)
        return call.future

    def _result(
        self, future: Future[Answer], target: Target, what: str, deadline_s: float
    ) -> Answer:
        try:
            return future.result(deadline_s + HUB_PATIENCE_S)
        except FutureTimeoutError:
            raise RuntimeTimedOut(
                f"{target}, {what}: the client's I/O thread does not keep up.",
                remedy="The portal's machine is overloaded, or a callback blocks the thread.",
            ) from None


def _options_check(options: ClientOptions) -> None:
    if options.dialback_host is not None:
        dialback_host_check(options.dialback_host)
    if options.dialback_ports is not None:
        first, last = options.dialback_ports
        if not 1 <= first <= last <= 65_535:
            raise ValueError(f"dial-back ports {first}..{last} are not a range within 1..65535")
    if not options.handshake_s > 0:
        raise ValueError(f"handshake_s must be more than 0, got {options.handshake_s}")


def _hub_shut(hub: Hub, thread: threading.Thread, pid: int) -> None:
    if os.getpid() == pid:
        hub.stop()
    _thread_await(thread, pid)


def _thread_await(thread: threading.Thread, pid: int) -> None:
    """Wait for its end; not in a forked child, and not from a callback on the thread itself."""
    if os.getpid() == pid and threading.current_thread() is not thread:
        thread.join(CLOSE_PATIENCE_S)
