"""`NativeClient`: through the runtime's own extension module, where one can be imported.

The module talks to the runtime of this machine, which passes on what is meant for
another node (``physical:N``). It is not thread-safe, so one thread makes every call. That
thread never waits long for one answer: it goes round all that are open, so a node
that is silent delays no other.
"""

from __future__ import annotations

import importlib
import logging
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from typing import Protocol, cast

from apps.runtime.client import DEFAULT_DEADLINE_S
from apps.runtime.decode import HOST_INFO
from apps.runtime.errors import (
    ClientClosed,
    ContractBroken,
    RuntimeFailure,
    RuntimeTimedOut,
    RuntimeUnreachable,
)
from apps.runtime.queries import host_info_read
from apps.runtime.reach import probe_many
from apps.runtime.types import (
    Answer,
    Connection,
    HostInfo,
    Reachability,
    Route,
    RouteMode,
    Target,
)

log = logging.getLogger(__name__)

MODULES = ("clio_runtime_ext", "chimaera_runtime_ext")
"""The extension's names, newest first."""

AS_CLIENT = 0
SLICE_S = 0.02
"""The longest wait for one answer while others are open or may come."""
PATIENCE_S = 5.0
CLOSE_PATIENCE_S = 10.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class Handle(Protocol):
    def wait(self, seconds: float) -> Mapping[int, object]: ...


class Extension(Protocol):
    """What the extension module offers, and ``clio_init(0)`` and ``clio_finalize()``, which
    the older module calls ``chimaera_…``."""

    def async_monitor(self, route: str, query: str) -> Handle: ...
    def stop_runtime(self, route: str, grace_ms: int) -> object: ...


def extension_import() -> Extension | None:
    """The extension module; ``None`` when no name of it can be imported."""
    for name in MODULES:
        try:
            return cast(Extension, importlib.import_module(name))
        except ImportError as error:
            log.debug("no %s: %s", name, error)
    return None


def _entry(extension: Extension, name: str) -> Callable[..., object]:
    """``init`` or ``finalize``, under the module's own name for it."""
    prefix = "clio" if hasattr(extension, f"clio_{name}") else "chimaera"
    found: Callable[..., object] = getattr(extension, f"{prefix}_{name}")
    return found


@dataclass(slots=True, eq=False)
class _Call:
    target: Target
    query: str | None
    """``None``: stop the runtime."""
    route: Route
    deadline_at: float
    grace_ms: int = 0
    future: Future[Answer] = field(default_factory=Future)
    handle: Handle | None = None
    sent_to: str = ""

    def __str__(self) -> str:
        return f"{self.target}, {self.query or 'stop'}"

    @property
    def left_s(self) -> float:
        return self.deadline_at - time.monotonic()

    def fail(self, failure: RuntimeFailure) -> None:
        self.future.set_exception(failure)


class _Worker:
    """The one thread that touches the extension."""

    def __init__(self, extension: Extension) -> None:
        self.inbox: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self.answered: dict[Target, bool] = {}
        self._extension = extension
        self._open: list[_Call] = []
        self._ready = False
        self._stale = False
        self._local_id: int | None = None
        self._stopping = False

    def run(self) -> None:
        try:
            while not self._stopping:
                self._take()
                self._go_round()
        finally:
            self._end()

    def _take(self) -> None:
        """Begin every call that has come; with none open, wait for one."""
        try:
            call = self.inbox.get(block=not self._open)
            while True:
                if call is None:
                    self._stopping = True
                    return
                self._begin(call)
                call = self.inbox.get_nowait()
        except queue.Empty:
            return

    def _begin(self, call: _Call) -> None:
        try:
            self._connect(call)
            call.sent_to = self._route_text(call)
            if call.query is None:
                self._extension.stop_runtime(call.sent_to, call.grace_ms)
                call.future.set_result(Answer({}, 0, None))
                return
            call.handle = self._extension.async_monitor(call.sent_to, call.query)
        except RuntimeFailure as failure:
            call.fail(failure)
        except RuntimeError as error:
            self._stale = True
            call.fail(RuntimeUnreachable(f"{call}: {error}."))
        else:
            self._open.append(call)

    def _connect(self, call: _Call) -> None:
        """Initialise the extension, again after it has lost its runtime."""
        if call.left_s <= 0:
            raise RuntimeTimedOut(f"{call}: the deadline passed before it could be sent.")
        if self._ready and self._stale and not self._open:
            _entry(self._extension, "finalize")()
            self._ready = False
        if not self._ready:
            # Otherwise the extension retries by itself, and longer than any deadline.
            os.environ.setdefault("CLIO_CLIENT_RETRY_TIMEOUT", "0")
            if not _entry(self._extension, "init")(AS_CLIENT):
                raise RuntimeUnreachable(f"{call}: the runtime of this machine does not answer.")
            self._ready, self._stale, self._local_id = True, False, None
        if self._local_id is None:
            self._local_id = self._local_id_ask(call)

    def _local_id_ask(self, call: _Call) -> int:
        """The node id of this machine's runtime: the admin container's own."""
        parts = self._extension.async_monitor("local", HOST_INFO).wait(call.left_s)
        if len(parts) != 1:
            self._stale = True
            raise RuntimeTimedOut(f"{call}: the runtime of this machine does not answer in time.")
        return int(next(iter(parts)))

    def _route_text(self, call: _Call) -> str:
        route = call.route
        if route.mode is RouteMode.LOCAL:
            return "local" if call.target.node_id == self._local_id else _physical(call.target)
        if route.mode is RouteMode.PHYSICAL:
            return f"physical:{route.value}"
        return "broadcast"

    def _go_round(self) -> None:
        """One short wait for each open call; an empty answer means: not yet."""
        for call in list(self._open):
            alone = len(self._open) == 1
            wait_s = max(0.0, min(call.left_s, SLICE_S if alone else SLICE_S / len(self._open)))
            if call.handle is None:
                continue
            try:
                parts = call.handle.wait(wait_s)
            except RuntimeError as error:
                self._settle(call, RuntimeUnreachable(f"{call}: {error}."))
                continue
            if parts:
                self._settle(call, _answer(call, parts))
            elif call.left_s <= 0:
                self._stale = self._stale or call.sent_to == "local"
                self._settle(call, RuntimeTimedOut(f"{call}: no answer within the deadline."))

    def _settle(self, call: _Call, outcome: Answer | RuntimeFailure) -> None:
        self._open.remove(call)
        self.answered[call.target] = isinstance(outcome, Answer)
        if isinstance(outcome, Answer):
            call.future.set_result(outcome)
        else:
            call.fail(outcome)

    def _end(self) -> None:
        waiting, self._open = self._open, []
        while not self.inbox.empty():
            call = self.inbox.get()
            if call is not None:
                waiting.append(call)
        for call in waiting:
            call.fail(ClientClosed(f"{call}: the client is closed."))
        if self._ready:
            _entry(self._extension, "finalize")()


class NativeClient:
    """A `RuntimeClient` over the extension module; see there for the methods.

    Routes are local, physical and broadcast. Generation, boot and process id are
    not known. After a fork build a new one.
    """

    def __init__(self, extension: Extension | None = None) -> None:
        """Raises RuntimeUnreachable when the extension can't be imported."""
        found = extension or extension_import()
        if found is None:
            raise RuntimeUnreachable(
                f"None of the modules {', '.join(MODULES)} can be imported.",
                remedy="Install the runtime's Python extension, or use the wire client.",
            )
        self._pid = os.getpid()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._worker = _Worker(found)
        self._thread = threading.Thread(target=self._worker.run, name="native-client", daemon=True)
        self._thread.start()
        self._shut = weakref.finalize(
            self, _shut, self._worker, self._thread, self._closed, self._lock, self._pid
        )

    def monitor_submit(
        self,
        target: Target,
        query: str,
        *,
        route: Route = Route.local(),  # noqa: B008 - frozen value
        deadline_s: float = DEFAULT_DEADLINE_S,
    ) -> Future[Answer]:
        """As promised by `RuntimeClient`. Raises ValueError for a route it can't express."""
        if route.mode not in (RouteMode.LOCAL, RouteMode.PHYSICAL, RouteMode.BROADCAST):
            raise ValueError(f"the native client can't route {route.mode}; use the wire client")
        if route.mode is RouteMode.PHYSICAL and route.value is None:
            raise ValueError("route physical needs a node id")
        return self._submit(_Call(target, query, route, time.monotonic() + deadline_s))

    def monitor(
        self,
        target: Target,
        query: str,
        *,
        route: Route = Route.local(),  # noqa: B008 - frozen value
        deadline_s: float = DEFAULT_DEADLINE_S,
    ) -> Answer:
        future = self.monitor_submit(target, query, route=route, deadline_s=deadline_s)
        return self._result(future, f"{target}, {query}", deadline_s)

    def stop(self, target: Target, *, grace_ms: int, deadline_s: float) -> None:
        """Sent after the node has answered; the extension does not tell how it ended."""
        if grace_ms < 0:
            raise ValueError(f"grace_ms must not be negative, got {grace_ms}")
        self.monitor(target, HOST_INFO, deadline_s=deadline_s)
        call = _Call(target, None, Route.local(), time.monotonic() + deadline_s, grace_ms)
        self._result(self._submit(call), str(call), deadline_s)

    def host_info(self, target: Target, *, deadline_s: float = DEFAULT_DEADLINE_S) -> HostInfo:
        return host_info_read(self, target, deadline_s=deadline_s)

    def reachability(self, target: Target, *, deadline_s: float = 1.0) -> Reachability:
        found = probe_many([target], timeout_s=deadline_s)
        return found.get(target, Reachability.UNREACHABLE)

    def connection(self, target: Target) -> Connection:
        """``connected``: the node's last answer came in time."""
        answered = self._worker.answered.get(target) is True
        return Connection(target, None, None, None, answered, None, 0)

    def forget(self, target: Target) -> None:
        self._worker.answered.pop(target, None)

    def close(self) -> None:
        """As promised by `RuntimeClient`. In a forked child it does nothing."""
        self._shut()
        _thread_await(self._thread, self._pid)

    def __enter__(self) -> NativeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, call: _Call) -> Future[Answer]:
        if os.getpid() != self._pid:
            raise ClientClosed(
                f"{call}: this client was made before the process forked.",
                remedy="Make a client in each process that uses one.",
            )
        call.future.set_running_or_notify_cancel()
        with self._lock:  # nothing is put behind the end of the queue
            if self._closed.is_set():
                call.fail(ClientClosed(f"{call}: the client is closed."))
            else:
                self._worker.inbox.put(call)
        return call.future

    def _result(self, future: Future[Answer], what: str, deadline_s: float) -> Answer:
        try:
            return future.result(deadline_s + PATIENCE_S)
        except FutureTimeoutError:
            raise RuntimeTimedOut(
                f"{what}: the extension does not return.",
                remedy="Restart the portal; set CLIO_PORTAL_CLIENT=wire to do without it.",
            ) from None


def _physical(target: Target) -> str:
    return f"physical:{target.node_id}"


def _answer(call: _Call, parts: Mapping[int, object]) -> Answer | RuntimeFailure:
    kept: dict[int, bytes] = {}
    for container_id, data in parts.items():
        if not isinstance(data, bytes | bytearray):
            return ContractBroken(
                f"{call}: container {container_id} answers {type(data).__name__}, not bytes."
            )
        kept[int(container_id)] = bytes(data)
    size = sum(map(len, kept.values()))
    if size > MAX_ANSWER_BYTES:
        return ContractBroken(f"{call}: {size} bytes; at most {MAX_ANSWER_BYTES} are taken.")
    return Answer(kept, 0, None)


def _shut(
    worker: _Worker,
    thread: threading.Thread,
    closed: threading.Event,
    lock: threading.Lock,
    pid: int,
) -> None:
    if os.getpid() != pid:
        return
    with lock:
        closed.set()
        worker.inbox.put(None)
    _thread_await(thread, pid)


def _thread_await(thread: threading.Thread, pid: int) -> None:
    if os.getpid() == pid and threading.current_thread() is not thread:
        thread.join(CLOSE_PATIENCE_S)
