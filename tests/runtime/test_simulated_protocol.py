"""A simulated runtime reacts to good and bad clients as the protocol says real ones do."""

from __future__ import annotations

import struct

import msgpack
import pytest

from apps.runtime.simulated import Condition, SimNode
from apps.runtime.simulated.node import MAX_PAIRS
from apps.runtime.types import Route, RouteMode, WireGeneration
from apps.runtime.wire.layout import LAYOUTS, Method
from tests.runtime.simulation import (
    IDENTITY,
    ask,
    cluster_make,
    figures,
    parts_of,
    request_of,
    sim_node,
)

V20, V22, V23 = WireGeneration.V2_0, WireGeneration.V2_2, WireGeneration.V2_3
ALIVE, HUNG, DEAD = Condition.SERVING, Condition.HUNG, Condition.DEAD


def node_of(generation: WireGeneration) -> SimNode:
    return sim_node(cluster_make(generation=generation)[0])


def patched(body: bytes, at: int, value: int) -> bytes:
    piece = struct.pack("<Q", value)
    return body[:at] + piece + body[at + 8 :]


@pytest.mark.parametrize(
    ("server", "frame", "condition"),
    [
        (V20, V22, DEAD),
        (V20, V23, ALIVE),
        (V22, V20, HUNG),
        (V22, V23, ALIVE),
        (V23, V20, HUNG),
        (V23, V22, ALIVE),
    ],
)
def test_frame_of_another_generation(
    server: WireGeneration, frame: WireGeneration, condition: Condition
) -> None:
    node = node_of(server)
    replies = node.receive(IDENTITY, request_of(frame, method=Method.CLIENT_CONNECT))
    assert [reply.body for reply in replies if reply.body is not None] == []
    assert node.condition is condition
    assert bool(node.receive(IDENTITY, request_of(server))) is (condition is ALIVE)
    assert node.seen.legacy_frames == (frame is V20)
    # The 2.3 probe is the only foreign frame that a client may send.
    assert node.seen.harmful_frames == (frame is not V23)


def test_only_a_2_2_dials_back_on_a_2_3_frame() -> None:
    probe = request_of(V23, method=Method.CLIENT_CONNECT)
    dialled = node_of(V22).receive(IDENTITY, probe)
    assert [(reply.port, reply.body) for reply in dialled] == [(40_000, None)]
    assert node_of(V20).receive(IDENTITY, probe) == []


@pytest.mark.parametrize("generation", list(WireGeneration))
def test_short_bodies_are_survived_without_a_reply(generation: WireGeneration) -> None:
    node = node_of(generation)
    whole = request_of(generation)
    for size in (0, 1, 8, 84, 93, len(whole) // 2):
        assert node.receive(IDENTITY, whole[:size]) == []
    assert node.condition is ALIVE
    assert len(node.receive(IDENTITY, whole)) == 1


@pytest.mark.parametrize("generation", list(WireGeneration))
def test_trailing_bytes_are_ignored_and_a_long_query_length_reads_as_unknown(
    generation: WireGeneration,
) -> None:
    node = node_of(generation)
    whole = request_of(generation)
    assert len(node.receive(IDENTITY, whole + b"trailing")) == 1
    layout = LAYOUTS[generation]
    at = layout.stream_at + layout.arguments_at
    assert len(node.receive(IDENTITY, patched(whole, at, 1_000))) == 1
    assert node.seen.calls == {"get_host_info": 1, "": 1}


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("no task", {V20: DEAD, V22: ALIVE, V23: HUNG}),
        ("reply type", {V20: HUNG, V22: HUNG, V23: HUNG}),
        ("stream 2^62", {V20: DEAD, V22: DEAD, V23: DEAD}),
        ("send 1", {V20: DEAD, V22: DEAD, V23: DEAD}),
        ("tasks 2^60", {V20: DEAD, V22: DEAD, V23: DEAD}),
        ("query 2^40", {V20: DEAD, V22: DEAD, V23: DEAD}),
        ("send 2^60", {V20: HUNG, V22: HUNG, V23: HUNG}),
        ("noise", {V20: HUNG, V22: HUNG, V23: HUNG}),
    ],
)
@pytest.mark.parametrize("generation", list(WireGeneration))
def test_malformed_bodies_do_what_they_do_to_a_real_runtime(
    generation: WireGeneration, what: str, expected: dict[WireGeneration, Condition]
) -> None:
    whole, layout = request_of(generation), LAYOUTS[generation]
    body = {
        "no task": patched(whole, 32, 0),
        "reply type": whole[:84] + b"\x01" + whole[85:],
        "stream 2^62": patched(whole, layout.stream_length_at, 2**62),
        "send 1": patched(whole, 0, 1),
        "tasks 2^60": patched(whole, 32, 2**60),
        "query 2^40": patched(whole, layout.stream_at + layout.arguments_at, 2**40),
        "send 2^60": patched(whole, 0, 2**60),
        "noise": bytes(range(7, 207)),
    }[what]
    node = node_of(generation)
    assert node.receive(IDENTITY, body) == []
    assert node.condition is expected[generation]
    assert node.seen.harmful_frames == 1


@pytest.mark.parametrize(
    "identity", [b"", b"\x00abcd", b"127.0.0.1", b"my_host:1", b"127.0.0.1:a_b", b":x"]
)
def test_identities_that_a_runtime_cannot_dial_get_silence(identity: bytes) -> None:
    node = node_of(V23)
    assert node.receive(identity, request_of(V23)) == []
    assert (node.seen.bad_identities, node.condition) == (1, ALIVE)
    assert len(node_of(V20).receive(identity, request_of(V20))) == 1


def test_2_2_serves_a_thousand_pairs_and_refuses_the_next_until_a_restart() -> None:
    node = node_of(V22)
    answered = [
        bool(node.receive(b"127.0.0.1:%d" % number, request_of(V22)))
        for number in range(MAX_PAIRS + 1)
    ]
    assert answered == [True] * MAX_PAIRS + [False]
    assert len(node.receive(b"127.0.0.1:5", request_of(V22))) == 1
    assert (node.pairs_spent, node.seen.pairs_refused) == (MAX_PAIRS, 1)
    node.restart()
    assert len(node.receive(b"127.0.0.1:new", request_of(V22))) == 1


def test_2_3_serves_more_than_a_thousand_pairs() -> None:
    node = node_of(V23)
    for number in range(MAX_PAIRS + 200):
        assert node.receive(b"127.0.0.1:%d" % number, request_of(V23))


def test_one_identity_with_two_reply_ports_is_counted_as_a_conflict() -> None:
    node = node_of(V23)
    node.receive(IDENTITY, request_of(V23, port=40_000))
    assert node.seen.identity_conflicts == 0
    node.receive(IDENTITY, request_of(V23, port=40_001))
    assert node.seen.identity_conflicts == 1


@pytest.mark.parametrize(
    ("query", "code", "answered"),
    [
        ("no_such_query", 0, False),
        ("topology", 0, False),
        ("pool_stats://bad", 2, False),
        ("pool_stats://301.0", 2, False),
        ("pool_stats://301:local:stats", 2, False),
        ("pool_stats://301.0:sideways:stats", 2, False),
        ("pool_stats://301.0:physical:stats", 2, False),
        ("pool_stats://999.0:local:stats", 3, False),
        ("pool_stats://301.0:local:stats", 0, True),
        ("pool_stats://301.0:LOCAL:stats", 0, True),
        ("pool_stats://400.0:local:stats", 0, False),
        ("pool_stats://1.0:local:worker_stats", 0, True),
        ("pool_stats://512.0:local:stats", 0, True),
    ],
)
def test_queries_and_return_codes(query: str, code: int, answered: bool) -> None:
    reply = ask(node_of(V23), query)
    assert (reply.return_code, bool(parts_of(reply))) == (code, answered)


def test_cte_core_has_stats_from_2_3_and_next_pool_is_plain_text() -> None:
    assert parts_of(ask(node_of(V22), "pool_stats://512.0:local:stats")) == {}
    parts = parts_of(ask(node_of(V23), "pool_stats://560.0:local:next_pool"))
    assert parts == {0: b"563.0"}


def test_query_to_a_pool_of_its_own_and_to_one_that_is_not_there() -> None:
    node = node_of(V23)
    assert len(node.receive(IDENTITY, request_of(V23, "stats", pool=(301, 0)))) == 1
    assert node.receive(IDENTITY, request_of(V23, "stats", pool=(999, 0))) == []


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (Route.local(), {1: 1}),
        (Route(RouteMode.DYNAMIC), {1: 1}),
        (Route.broadcast(), {0: 0, 1: 1, 2: 2, 3: 3}),
        (Route.physical(2), {2: 2}),
        (Route(RouteMode.DIRECT_ID, 3), {3: 3}),
        (Route(RouteMode.DIRECT_ID, 9), {0: 1}),
        (Route(RouteMode.DIRECT_HASH, 6), {2: 2}),
        (Route(RouteMode.RANGE, 1, 2), {1: 1, 2: 2}),
    ],
)
def test_routes_reach_the_nodes_that_a_runtime_reaches(
    route: Route, expected: dict[int, int]
) -> None:
    cluster, _ = cluster_make(nodes=4)
    parts = parts_of(ask(sim_node(cluster, 1), "get_host_info", route=route))
    assert {key: msgpack.unpackb(data)["node_id"] for key, data in parts.items()} == expected


def test_inner_route_of_a_pool_query() -> None:
    cluster, _ = cluster_make(nodes=4)
    node = sim_node(cluster)
    assert set(parts_of(ask(node, "pool_stats://301.0:broadcast:stats"))) == {0, 1, 2, 3}
    assert set(parts_of(ask(node, "pool_stats://301.0:physical:2:stats"))) == {2}
    outer = ask(node, "pool_stats://301.0:local:stats", route=Route.physical(3))
    assert set(parts_of(outer)) == {3}


def test_route_to_a_node_outside_the_cluster_is_never_answered() -> None:
    cluster, _ = cluster_make(nodes=4)
    body = request_of(V23, route=Route.physical(7))
    assert sim_node(cluster).receive(IDENTITY, body) == []


def test_broadcast_with_a_dead_peer_is_late_once_partial_always() -> None:
    cluster, _ = cluster_make(nodes=4, peer_timeout_s=45.0)
    sim_node(cluster, 2).condition = Condition.STOPPED
    node = sim_node(cluster)
    body = request_of(V23, route=Route.broadcast())
    delays = [node.receive(IDENTITY, body)[0].delay_s for _ in range(2)]
    assert delays == [45.0, 0.4]
    reply = ask(node, "get_host_info", route=Route.broadcast())
    assert reply.return_code == -1000
    assert set(parts_of(reply)) == {0, 1, 3}


def test_2_0_dies_of_a_stop_without_a_word() -> None:
    node = node_of(V20)
    stop = request_of(V20, method=Method.STOP_RUNTIME, grace_ms=1_000)
    assert node.receive(IDENTITY, stop) == []
    assert node.condition is DEAD


def test_restart_gives_a_new_number_and_a_new_pid() -> None:
    cluster, clock = cluster_make(uptime_s=600.0)
    node = sim_node(cluster)
    before = node.life.boot
    clock.advance(1.0)
    node.restart()
    assert node.life.boot.generation != before.generation
    assert node.life.boot.pid != before.pid
    assert [sample["event_id"] for sample in figures(node, "system_stats")] == [0]
