"""The wire client against simulated runtimes of each generation, healthy and not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest
import zmq

from apps.runtime.client import ClientOptions
from apps.runtime.errors import (
    ClientClosed,
    ContractBroken,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimedOut,
    RuntimeUnreachable,
    WrongGeneration,
)
from apps.runtime.simulated import Fault, SimOptions, SimulatedCluster
from apps.runtime.types import (
    Answer,
    Connection,
    Reachability,
    Route,
    RouteMode,
    Target,
    WireGeneration,
)
from apps.runtime.wire.client import WireClient
from apps.runtime.wire.frames import Reply, TaskId, reply_build
from apps.runtime.wire.layout import MAX_QUERY_BYTES, Method
from apps.runtime.wire.outputs import monitor_output_build
from tests.runtime.wire_peers import QUICK, answers, until

V2_0, V2_2, V2_3 = WireGeneration.V2_0, WireGeneration.V2_2, WireGeneration.V2_3
LEGACY = ClientOptions(allow_legacy_probe=True)
NOWHERE = Target(5, "127.0.0.1", 1)


@pytest.fixture
def sim() -> Iterator[SimulatedCluster]:
    with SimulatedCluster(SimOptions(nodes=2, port=0)) as cluster:
        yield cluster


@pytest.fixture
def client() -> Iterator[WireClient]:
    with WireClient(detection_times=QUICK) as opened:
        yield opened


@pytest.mark.parametrize(
    ("generation", "options"),
    [
        (V2_3, ClientOptions()),
        (V2_2, ClientOptions()),
        (V2_0, LEGACY),
        (V2_3, ClientOptions(generation=V2_3)),
        (V2_2, ClientOptions(generation=V2_2)),
        (V2_0, ClientOptions(generation=V2_0)),
    ],
)
def test_each_generation_is_found_and_answers(
    generation: WireGeneration, options: ClientOptions
) -> None:
    with (
        SimulatedCluster(SimOptions(nodes=2, port=0, generation=generation)) as cluster,
        WireClient(options, detection_times=QUICK) as client,
    ):
        for target in cluster.targets():
            assert client.host_info(target).node_id == target.node_id
            known = client.connection(target)
            assert known.generation is generation
            assert known.boot == cluster.node(target.node_id).sim.life.boot.mono_ns
            assert known.connected
            assert (known.dialback_address is None) == (generation is V2_0)
            assert known.dialback_pairs_spent == (0 if generation is V2_0 else 1)
            assert cluster.node(target.node_id).sim.seen.harmful_frames == 0


def test_a_runtime_that_shows_nothing_is_not_guessed_at(client: WireClient) -> None:
    with SimulatedCluster(SimOptions(nodes=1, port=0, generation=V2_0)) as cluster:
        with pytest.raises(WrongGeneration, match=r"It is of generation 2.0, or"):
            client.host_info(cluster.target(0))
        with pytest.raises(WrongGeneration, match="Asked: worker_stats"):
            client.monitor(cluster.target(0), "worker_stats")
        assert cluster.node(0).sim.seen.calls == {}


@pytest.mark.parametrize("wrong", [V2_0, V2_2])
def test_another_generation_than_the_configured_is_refused(
    sim: SimulatedCluster, wrong: WireGeneration
) -> None:
    with (
        WireClient(ClientOptions(generation=wrong), detection_times=QUICK) as client,
        pytest.raises(WrongGeneration, match=f"configured as generation {wrong}"),
    ):
        client.host_info(sim.target(0))
    assert sim.node(0).sim.seen.harmful_frames == 0


def test_answers_out_of_order_and_twice_reach_who_asked(
    sim: SimulatedCluster, client: WireClient
) -> None:
    sim.node(0).fault(Fault.OUT_OF_ORDER, seconds=0.05)
    sim.node(0).fault(Fault.DUPLICATE, copies=3)
    queries = ["get_host_info", "worker_stats", "bdev_stats", "no_such_query"] * 10
    futures = [client.monitor_submit(sim.target(0), query) for query in queries]
    by_query: dict[str, set[bytes | None]] = {}
    for query, future in zip(queries, futures, strict=True):
        by_query.setdefault(query, set()).add(future.result().parts.get(0))
    assert by_query["no_such_query"] == {None}
    assert len(by_query["get_host_info"]) == 1
    assert by_query["worker_stats"].isdisjoint(by_query["bdev_stats"])


def test_threads_share_one_connection(sim: SimulatedCluster, client: WireClient) -> None:
    failures: list[RuntimeFailure] = []

    def ask(target: Target) -> None:
        for _ in range(30):
            try:
                assert client.host_info(target).node_id == target.node_id
            except RuntimeFailure as failure:
                failures.append(failure)

    askers = [threading.Thread(target=ask, args=(sim.target(i % 2),)) for i in range(6)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert failures == []
    assert sim.node(0).sim.seen.identity_conflicts == 0
    assert client.connection(sim.target(0)).dialback_pairs_spent == 1


def test_a_late_answer_is_dropped(sim: SimulatedCluster, client: WireClient) -> None:
    client.host_info(sim.target(0))
    sim.node(0).fault(Fault.HUNG)
    with pytest.raises(RuntimeTimedOut, match=r"node 0 .*, worker_stats: no answer within 0.1 s"):
        client.monitor(sim.target(0), "worker_stats", deadline_s=0.1)
    sim.node(0).clear()
    until(lambda: client.strays == 1)
    assert client.host_info(sim.target(0)).node_id == 0


def test_an_answer_that_nobody_asked_for_is_dropped(
    sim: SimulatedCluster, client: WireClient
) -> None:
    client.host_info(sim.target(0))
    output = monitor_output_build({0: b"\x80"})
    body = reply_build(Reply(TaskId(key=42), Method.MONITOR, (1, 0), 0, 0, output), V2_3)
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger = 0
        stranger.connect(f"tcp://{client.connection(sim.target(0)).dialback_address}")
        for junk in (body, b"", b"short", body[:80]):
            stranger.send_multipart([b"", junk])
        until(lambda: client.strays == 4)
    assert client.host_info(sim.target(0)).node_id == 0


def test_a_restart_brings_another_boot(sim: SimulatedCluster, client: WireClient) -> None:
    target = sim.target(0)
    before = client.monitor(target, "worker_stats").boot
    sim.node(0).restart()
    until(lambda: not client.connection(target).connected)
    until(lambda: answers(client, target))
    answer = client.monitor(target, "worker_stats")
    assert answer.boot == sim.node(0).sim.life.boot.mono_ns != before
    assert client.connection(target).dialback_pairs_spent == 1


def test_what_waits_for_an_answer_fails_when_the_runtime_goes(
    sim: SimulatedCluster, client: WireClient
) -> None:
    client.host_info(sim.target(0))
    sim.node(0).fault(Fault.HUNG)
    future = client.monitor_submit(sim.target(0), "worker_stats", deadline_s=60)
    sim.node(0).stop()
    with pytest.raises(RuntimeUnreachable, match=r"node 0 .* Asked: worker_stats"):
        future.result(10)
    with pytest.raises(RuntimeUnreachable, match="nothing accepts connections"):
        client.monitor(sim.target(0), "worker_stats")


def test_nothing_there_is_unreachable_and_no_handshake_too(sim: SimulatedCluster) -> None:
    with WireClient(ClientOptions(handshake_s=0.3)) as client:
        with pytest.raises(RuntimeUnreachable, match=r"node 5 .*nothing accepts connections"):
            client.monitor(NOWHERE, "worker_stats")
        sim.node(0).fault(Fault.FROZEN)
        with pytest.raises(RuntimeUnreachable, match="no ZeroMQ handshake"):
            client.monitor(sim.target(0), "worker_stats")
        assert client.reachability(NOWHERE) is Reachability.REFUSED
        assert client.reachability(sim.target(0)) is Reachability.ACCEPTS
        assert client.host_info(sim.target(1)).node_id == 1


def test_a_silent_node_costs_its_own_deadline_only(
    sim: SimulatedCluster, client: WireClient
) -> None:
    client.host_info(sim.target(0))
    sim.node(0).fault(Fault.SILENT)
    silent = client.monitor_submit(sim.target(0), "worker_stats", deadline_s=30)
    for _ in range(20):
        client.host_info(sim.target(1))
    assert not silent.done()


@pytest.mark.parametrize(
    ("fault", "values"),
    [
        (Fault.TRUNCATED, {"fraction": 0.5}),
        (Fault.TRUNCATED, {"fraction": 0.9}),
        (Fault.LENGTH_LIE, {"kind": "count"}),
        (Fault.LENGTH_LIE, {"kind": "part"}),
        (Fault.LENGTH_LIE, {"kind": "stream"}),
    ],
)
def test_a_reply_that_lies_breaks_the_contract(
    sim: SimulatedCluster, client: WireClient, fault: Fault, values: dict[str, str]
) -> None:
    client.host_info(sim.target(0))
    sim.node(0).fault(fault, **values)
    with pytest.raises(ContractBroken, match=r"node 0 \(.*\), worker_stats: "):
        client.monitor(sim.target(0), "worker_stats")
    sim.node(0).clear()
    assert client.host_info(sim.target(0)).node_id == 0


def test_a_huge_reply_is_refused_by_the_socket(sim: SimulatedCluster, client: WireClient) -> None:
    client.host_info(sim.target(0))
    sim.node(0).fault(Fault.HUGE, size_bytes=32 * 1024 * 1024)
    with pytest.raises(RuntimeFailure):
        client.monitor(sim.target(0), "worker_stats", deadline_s=0.5)
    sim.node(0).clear()
    assert client.host_info(sim.target(1)).node_id == 1
    assert client.host_info(sim.target(0)).node_id == 0


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (1, RuntimeRefused, "manager is missing"),
        (2, RuntimeRefused, "malformed pool_stats"),
        (3, RuntimeRefused, "no such pool"),
        (77, RuntimeRefused, "does not know"),
        (-1000, RuntimeTimedOut, "network time-out"),
    ],
)
def test_return_codes_have_a_meaning(
    sim: SimulatedCluster,
    client: WireClient,
    code: int,
    error: type[RuntimeFailure],
    said: str,
) -> None:
    client.host_info(sim.target(0))
    sim.node(0).fault(Fault.RETURN_CODE, code=code)
    with pytest.raises(error, match=f"worker_stats: .*{said}") as caught:
        client.monitor(sim.target(0), "worker_stats")
    if isinstance(caught.value, RuntimeRefused):
        assert caught.value.return_code == code


def test_routes_other_than_local(sim: SimulatedCluster, client: WireClient) -> None:
    answer = client.monitor(sim.target(0), "get_host_info", route=Route.broadcast())
    assert set(answer.parts) == {0, 1}
    answer = client.monitor(sim.target(0), "get_host_info", route=Route.physical(1))
    assert set(answer.parts) == {1}


def test_stop_ends_the_runtime(sim: SimulatedCluster, client: WireClient) -> None:
    client.stop(sim.target(0), grace_ms=0, deadline_s=5)
    until(lambda: not client.connection(sim.target(0)).connected)
    assert not answers(client, sim.target(0))
    assert answers(client, sim.target(1))


def test_a_stop_is_never_kept_for_a_runtime_that_is_down(
    sim: SimulatedCluster, client: WireClient
) -> None:
    target = sim.target(0)
    client.host_info(target)
    sim.node(0).stop()
    with pytest.raises(RuntimeUnreachable):
        client.stop(target, grace_ms=0, deadline_s=0.5)
    sim.node(0).restart()
    until(lambda: answers(client, target))
    assert answers(client, target)
    assert "stop_runtime" not in sim.node(0).sim.seen.calls


def test_a_legacy_runtime_is_not_asked_to_stop() -> None:
    with (
        SimulatedCluster(SimOptions(nodes=1, port=0, generation=V2_0)) as cluster,
        WireClient(LEGACY, detection_times=QUICK) as client,
    ):
        client.host_info(cluster.target(0))
        with pytest.raises(WrongGeneration) as caught:
            client.stop(cluster.target(0), grace_ms=0, deadline_s=1)
        assert "SIGTERM" in caught.value.remedy
        assert client.host_info(cluster.target(0)).node_id == 0


def test_names_are_looked_up(sim: SimulatedCluster, client: WireClient) -> None:
    known = Target(0, "localhost", 1)
    with pytest.raises(RuntimeUnreachable, match="nothing accepts connections"):
        client.monitor(known, "worker_stats")
    with pytest.raises(RuntimeUnreachable, match=r"no-such-host.invalid has no IPv4 address"):
        client.monitor(Target(0, "no-such-host.invalid"), "worker_stats", deadline_s=30)


def test_answers_come_in_on_the_configured_ports(sim: SimulatedCluster) -> None:
    free = free_port()
    with WireClient(ClientOptions(dialback_ports=(free, free))) as client:
        client.host_info(sim.target(0))
        assert client.connection(sim.target(0)).dialback_address == f"127.0.0.1:{free}"
        with pytest.raises(RuntimeUnreachable, match=f"no free port in {free}..{free}"):
            client.host_info(sim.target(1))
        client.forget(sim.target(0))
        until(lambda: client.connection(sim.target(0)).generation is None)
        assert client.host_info(sim.target(1)).node_id == 1


def test_with_2_3_forced_one_port_serves_all(sim: SimulatedCluster) -> None:
    free = free_port()
    with WireClient(ClientOptions(generation=V2_3, dialback_ports=(free, free))) as client:
        assert [client.host_info(target).node_id for target in sim.targets()] == [0, 1]


def free_port() -> int:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        return socket.bind_to_random_port("tcp://127.0.0.1", min_port=30_000)


def test_a_2_2_runtime_that_runs_out_of_pairs_is_told_of() -> None:
    told: list[Connection] = []
    with (
        SimulatedCluster(SimOptions(nodes=1, port=0, generation=V2_2)) as cluster,
        WireClient(
            ClientOptions(pairs_warn_at=1), pairs_observer=told.append, detection_times=QUICK
        ) as client,
    ):
        for _ in range(20):
            client.host_info(cluster.target(0))
        assert [connection.dialback_pairs_spent for connection in told] == [1]
        assert cluster.node(0).sim.pairs_spent == 1


def test_a_renumbered_node_keeps_its_connection(sim: SimulatedCluster, client: WireClient) -> None:
    old = sim.target(0)
    new = Target(7, old.host, old.port)
    client.monitor(old, "worker_stats")
    client.monitor(new, "worker_stats")
    client.forget(old)  # the host list has it under its new number only
    client.monitor(new, "worker_stats")
    assert client.connection(new).dialback_pairs_spent == 1
    assert sim.node(0).sim.pairs_spent == 1


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda c, t: c.monitor(t, "x" * (MAX_QUERY_BYTES + 1)), "at most 512"),
        (lambda c, t: c.monitor(t, "q", route=Route(RouteMode.PHYSICAL)), "needs a value"),
        (lambda c, t: c.monitor(t, "q", deadline_s=0), "deadline_s must be more than 0"),
        (lambda c, t: c.monitor(Target(0, t.host, 65_535), "q"), "is no port"),
        (lambda c, t: c.stop(t, grace_ms=-1, deadline_s=1), "grace_ms"),
    ],
)
def test_a_bad_argument_is_said_at_once(
    client: WireClient, ask: Callable[[WireClient, Target], None], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        ask(client, NOWHERE)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ClientOptions(dialback_host="under_score"), "dial-back host"),
        (ClientOptions(dialback_host="::1"), "dial-back host"),
        (ClientOptions(dialback_ports=(9, 8)), "not a range"),
        (ClientOptions(handshake_s=0), "handshake_s"),
    ],
)
def test_bad_options_are_said_at_once(options: ClientOptions, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WireClient(options)


def test_one_thread_serves_many_runtimes() -> None:
    with SimulatedCluster(SimOptions(nodes=300, port=0)) as cluster, WireClient() as client:
        for _ in range(2):
            asked: list[tuple[Target, Future[Answer]]] = [
                (target, client.monitor_submit(target, "get_host_info", deadline_s=30))
                for target in cluster.targets()
            ]
            for target, future in asked:
                assert set(future.result(60).parts) == {target.node_id}
        assert sum(thread.name == "wire-client" for thread in threading.enumerate()) == 1


def test_a_closed_client_says_so(sim: SimulatedCluster, client: WireClient) -> None:
    client.close()
    with pytest.raises(ClientClosed, match=r"node 0 .*, worker_stats: the client is closed"):
        client.monitor(sim.target(0), "worker_stats")
