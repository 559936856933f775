"""Bare TCP connects, to real sockets on loopback."""

from __future__ import annotations

import errno
import resource
import socket
import threading
from collections.abc import Iterator

import pytest

from apps.runtime import reach
from apps.runtime.reach import probe_many
from apps.runtime.types import CLIENT_PORT_OFFSET, Reachability, Target


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        yield server


def target_of(server: socket.socket, *, node_id: int = 0, host: str = "127.0.0.1") -> Target:
    return Target(node_id, host, server.getsockname()[1] - CLIENT_PORT_OFFSET)


def refusing(*, node_id: int = 0) -> Target:
    """A port that nobody listens on: it was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return target_of(server, node_id=node_id)


def test_a_listener_accepts_and_a_closed_port_refuses(listener: socket.socket) -> None:
    accepting, closed = target_of(listener, node_id=1), refusing(node_id=2)
    found = probe_many([accepting, closed], timeout_s=5)
    assert found == {accepting: Reachability.ACCEPTS, closed: Reachability.REFUSED}


def test_nothing_is_sent(listener: socket.socket) -> None:
    probe_many([target_of(listener)], timeout_s=5)
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(5)
        assert connection.recv(1) == b""


def test_hundreds_at_once(listener: socket.socket) -> None:
    targets = [target_of(listener, node_id=node_id) for node_id in range(400)]
    closed = [refusing(node_id=1000 + index) for index in range(20)]
    found = probe_many([*targets, *closed], timeout_s=30)
    assert [found[target] for target in targets] == [Reachability.ACCEPTS] * 400
    assert [found[target] for target in closed] == [Reachability.REFUSED] * 20


def test_a_full_listen_queue_is_unreachable_not_refused() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        holding = []
        try:
            for _ in range(8):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(server.getsockname())
                holding.append(client)
            found = probe_many([target_of(server)], timeout_s=0.2)
        finally:
            for client in holding:
                client.close()
    assert list(found.values()) == [Reachability.UNREACHABLE]


def test_a_name_is_resolved(listener: socket.socket) -> None:
    target = target_of(listener, host="localhost")
    assert probe_many([target], timeout_s=5) == {target: Reachability.ACCEPTS}


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 300, "bad name", "..", "\ud800"])
def test_a_name_that_does_not_resolve_is_unreachable(host: str) -> None:
    target = Target(0, host)
    assert probe_many([target], timeout_s=1) == {target: Reachability.UNREACHABLE}


def test_a_slow_name_server_delays_no_other(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        held.wait(30)
        raise socket.gaierror("gave up")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    slow, quick = Target(1, "slow.example"), target_of(listener)
    found = probe_many([slow, quick], timeout_s=0.5)
    held.set()
    assert found == {slow: Reachability.UNREACHABLE, quick: Reachability.ACCEPTS}


def test_out_of_sockets_is_no_evidence_against_a_node(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    targets = [target_of(listener, node_id=node_id) for node_id in range(300)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (150, hard))
    try:
        found = probe_many(targets, timeout_s=5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert 0 < len(found) < 300
    assert set(found.values()) == {Reachability.ACCEPTS}


def test_an_unusable_port_is_unreachable() -> None:
    targets = [Target(0, "127.0.0.1", 70_000), Target(1, "127.0.0.1", -10)]
    assert set(probe_many(targets, timeout_s=1).values()) == {Reachability.UNREACHABLE}


def test_no_targets_no_work() -> None:
    assert probe_many([]) == {}


def test_every_way_to_fail_has_a_meaning() -> None:
    assert reach._meaning(errno.EHOSTUNREACH) is Reachability.UNREACHABLE
    assert reach._meaning(errno.ETIMEDOUT) is Reachability.UNREACHABLE
