"""The native client, over an extension module that is made up here."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import msgpack
import pytest

from apps.runtime.choose import client_open
from apps.runtime.client import ClientOptions
from apps.runtime.errors import (
    ClientClosed,
    ContractBroken,
    RuntimeTimedOut,
    RuntimeUnreachable,
)
from apps.runtime.native import MODULES, NativeClient
from apps.runtime.types import Route, RouteMode, Target
from apps.runtime.wire.client import WireClient

HERE, THERE, SILENT = (Target(node_id, "127.0.0.1", 9400) for node_id in (1, 2, 3))


@dataclass
class Module:
    """An extension on node 1, whose node 3 is silent. Notes who calls what."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    up: bool = True
    hung: bool = False
    raising: str | None = None
    parts: dict[int, Any] | None = None

    def note(self, *call: Any) -> None:
        self.calls.append(call)
        self.threads.add(threading.get_ident())

    def names(self, first: str) -> list[tuple[Any, ...]]:
        return [call for call in self.calls if call[0] == first]

    def clio_init(self, mode: int) -> bool:
        self.note("init", mode)
        return self.up

    def clio_finalize(self) -> None:
        self.note("finalize")

    def async_monitor(self, route: str, query: str) -> Answering:
        self.note("monitor", route, query)
        if self.raising:
            raise RuntimeError(self.raising)
        return Answering(self, route, query)

    def stop_runtime(self, route: str, grace_ms: int) -> None:
        self.note("stop", route, grace_ms)


@dataclass
class Answering:
    module: Module
    route: str
    query: str

    def wait(self, seconds: float) -> dict[int, Any]:
        self.module.note("wait", seconds)
        if self.route == "physical:3" or self.module.hung:
            time.sleep(seconds)
            return {}
        if self.module.parts is not None and self.query != "get_host_info":
            return self.module.parts
        node_id = 1 if self.route == "local" else 2
        told = {"hostname": f"n{node_id}", "ip_address": "10.0.0.1", "node_id": node_id}
        one = {node_id: msgpack.packb(told)}
        return one | {7: b"\x80"} if self.route == "broadcast" else one


@pytest.fixture
def module() -> Module:
    return Module()


@pytest.fixture
def client(module: Module) -> Iterator[NativeClient]:
    with NativeClient(module) as opened:
        yield opened


def test_the_local_node_is_asked_directly_and_others_through_it(
    client: NativeClient, module: Module
) -> None:
    assert client.host_info(HERE).hostname == "n1"
    assert client.host_info(THERE).hostname == "n2"
    routes = [call[1] for call in module.names("monitor")]
    assert routes == ["local", "local", "physical:2"]  # the first finds out which is local
    assert module.names("init") == [("init", 0)]


def test_other_routes(client: NativeClient, module: Module) -> None:
    assert set(client.monitor(HERE, "q", route=Route.broadcast()).parts) == {2, 7}
    client.monitor(HERE, "q", route=Route.physical(2))
    assert [call[1] for call in module.names("monitor")][1:] == ["broadcast", "physical:2"]
    with pytest.raises(ValueError, match="can't route direct_id"):
        client.monitor(HERE, "q", route=Route(RouteMode.DIRECT_ID, 1))


def test_every_call_is_made_by_one_thread(client: NativeClient, module: Module) -> None:
    def ask() -> None:
        for _ in range(20):
            client.monitor(THERE, "worker_stats")

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    client.stop(THERE, grace_ms=10, deadline_s=1)
    client.close()
    assert len(module.names("monitor")) == 82
    assert len(module.threads) == 1
    assert threading.get_ident() not in module.threads


def test_an_empty_answer_is_a_time_out(client: NativeClient) -> None:
    with pytest.raises(RuntimeTimedOut, match=r"node 3 .*, worker_stats: no answer"):
        client.monitor(SILENT, "worker_stats", deadline_s=0.1)
    assert client.connection(SILENT).connected is False


def test_a_silent_node_holds_up_no_other(client: NativeClient) -> None:
    silent = client.monitor_submit(SILENT, "worker_stats", deadline_s=30)
    for _ in range(5):
        client.monitor(THERE, "worker_stats", deadline_s=10)
    assert not silent.done()
    client.close()
    with pytest.raises(ClientClosed):
        silent.result(0)


def test_a_runtime_that_is_down_is_unreachable_until_it_comes(
    client: NativeClient, module: Module
) -> None:
    module.up = False
    with pytest.raises(RuntimeUnreachable, match="of this machine does not answer"):
        client.monitor(HERE, "q")
    module.up = True
    assert client.monitor(HERE, "q").parts.keys() == {1}


def test_a_lost_local_runtime_is_initialised_again(client: NativeClient, module: Module) -> None:
    client.monitor(HERE, "q")
    module.hung = True
    with pytest.raises(RuntimeTimedOut):
        client.monitor(HERE, "q", deadline_s=0.05)
    module.hung = False
    client.monitor(HERE, "q")
    assert [call[0] for call in module.calls if call[0] in {"init", "finalize"}] == [
        "init",
        "finalize",
        "init",
    ]


def test_an_exception_of_the_extension_is_named(client: NativeClient, module: Module) -> None:
    client.monitor(HERE, "q")
    module.raising = "ipc broken"
    with pytest.raises(RuntimeUnreachable, match=r"node 1 .*, q: ipc broken"):
        client.monitor(HERE, "q")


@pytest.mark.parametrize("parts", [{1: "text"}, {1: b"x" * (17 * 1024 * 1024)}])
def test_an_answer_that_is_no_answer_breaks_the_contract(
    client: NativeClient, module: Module, parts: dict[int, Any]
) -> None:
    module.parts = parts
    with pytest.raises(ContractBroken, match=r"node 2 .*, q: "):
        client.monitor(THERE, "q")


def test_stop_goes_only_to_a_node_that_has_just_answered(
    client: NativeClient, module: Module
) -> None:
    client.stop(THERE, grace_ms=1500, deadline_s=1)
    with pytest.raises(RuntimeTimedOut):
        client.stop(SILENT, grace_ms=1500, deadline_s=0.05)
    assert module.names("stop") == [("stop", "physical:2", 1500)]


def test_close_finalises_once_and_refuses_what_comes_after(
    client: NativeClient, module: Module
) -> None:
    client.monitor(HERE, "q")
    client.close()
    client.close()
    assert len(module.names("finalize")) == 1
    with pytest.raises(ClientClosed):
        client.monitor(HERE, "q")


def test_a_forked_child_is_told_so(client: NativeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    with pytest.raises(ClientClosed, match="before the process forked"):
        client.monitor(HERE, "q")
    monkeypatch.undo()


def injected(name: str, module: Module, prefix: str) -> ModuleType:
    made = ModuleType(name)
    made.async_monitor = module.async_monitor  # type: ignore[attr-defined]
    made.stop_runtime = module.stop_runtime  # type: ignore[attr-defined]
    setattr(made, f"{prefix}_init", module.clio_init)
    setattr(made, f"{prefix}_finalize", module.clio_finalize)
    return made


@pytest.mark.parametrize(("name", "prefix"), [(MODULES[0], "clio"), (MODULES[1], "chimaera")])
def test_auto_takes_the_extension_when_it_can_be_imported(
    module: Module, monkeypatch: pytest.MonkeyPatch, name: str, prefix: str
) -> None:
    for other in MODULES:
        monkeypatch.setitem(sys.modules, other, None)
    monkeypatch.setitem(sys.modules, name, injected(name, module, prefix))
    client = client_open("auto")
    assert isinstance(client, NativeClient)
    assert client.host_info(THERE).node_id == 2
    client.close()
    assert len(module.names("finalize")) == 1


def test_auto_takes_the_wire_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, None)
    client = client_open("auto", ClientOptions())
    assert isinstance(client, WireClient)
    client.close()
    with pytest.raises(RuntimeUnreachable, match="can be imported"):
        client_open("native")


def test_wire_is_taken_when_told_so(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULES[0], injected(MODULES[0], module, "clio"))
    client = client_open("wire")
    assert isinstance(client, WireClient)
    client.close()
    assert not module.calls
