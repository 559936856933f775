"""Each fault of the simulated runtime, seen by the real client over real sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import msgpack
import pytest

from apps.runtime.client import ClientOptions
from apps.runtime.errors import (
    ContractBroken,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimedOut,
    RuntimeUnreachable,
)
from apps.runtime.queries import (
    block_devices_read,
    containers_read,
    host_info_read,
    system_samples_read,
    workers_read,
)
from apps.runtime.simulated import (
    HOSTILE,
    LIES,
    SIMULATED_KEY,
    Condition,
    Fault,
    SimOptions,
    SimulatedCluster,
)
from apps.runtime.simulated.mutate import HOSTILE_TEXTS
from apps.runtime.types import Reachability, Route, Target, WireGeneration
from apps.runtime.wire.client import WireClient
from apps.runtime.wire.detection import DetectionTimes

LONG_S = 8.0
SHORT_S = 0.5


@pytest.fixture
def sim() -> Iterator[SimulatedCluster]:
    with SimulatedCluster(SimOptions(nodes=3, port=0)) as cluster:
        yield cluster


@pytest.fixture
def client() -> Iterator[WireClient]:
    wire = WireClient(ClientOptions(generation=WireGeneration.V2_3))
    yield wire
    wire.close()


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + LONG_S
    while not what():
        assert time.monotonic() < until, "did not come true in time"
        time.sleep(0.02)


def answers(client: WireClient, target: Target, deadline_s: float = LONG_S) -> bool:
    try:
        client.monitor(target, "get_host_info", deadline_s=deadline_s)
    except RuntimeFailure:
        return False
    return True


@pytest.mark.parametrize("generation", list(WireGeneration))
def test_real_client_reads_every_kind_of_answer(generation: WireGeneration) -> None:
    quick = DetectionTimes(answer_s=1.0, pause_s=0.1)
    wire = WireClient(ClientOptions(generation=generation), detection_times=quick)
    with SimulatedCluster(SimOptions(nodes=2, port=0, generation=generation)) as sim:
        for node in sim.nodes():
            info = host_info_read(wire, node.target, deadline_s=20.0)
            assert (info.node_id, info.extra) == (node.node_id, {SIMULATED_KEY: True})
            samples = system_samples_read(wire, node.target, min_event_id=50)
            assert {sample.extra[SIMULATED_KEY] for sample in samples} == {True}
            assert len(workers_read(wire, node.target)) == 4
            assert len(block_devices_read(wire, node.target)) >= 3
            assert any(m.is_trained for c in containers_read(wire, node.target) for m in c.methods)
            assert node.sim.seen.harmful_frames == 0
            assert node.sim.seen.identity_conflicts == 0
        wire.close()


def test_client_detects_2_3_and_2_2_without_one_harmful_frame() -> None:
    for generation, probes in ((WireGeneration.V2_3, 0), (WireGeneration.V2_2, 1)):
        wire = WireClient(ClientOptions())
        with SimulatedCluster(SimOptions(nodes=1, port=0, generation=generation)) as sim:
            wire.monitor(sim.target(0), "get_host_info", deadline_s=20.0)
            seen = sim.node(0).sim.seen
            assert wire.connection(sim.target(0)).generation is generation
            assert (seen.harmful_frames, seen.legacy_frames) == (0, 0)
            assert seen.kinds["frame_2_3"] == probes  # type: ignore[index]
            wire.close()


def test_slow_node_is_late_and_costs_nobody_else(sim: SimulatedCluster, client: WireClient) -> None:
    assert answers(client, sim.target(0))
    sim.node(0).fault(Fault.SLOW, seconds=2.0)
    with pytest.raises(RuntimeTimedOut):
        client.monitor(sim.target(0), "worker_stats", deadline_s=SHORT_S)
    assert answers(client, sim.target(1))
    assert client.monitor(sim.target(0), "worker_stats", deadline_s=LONG_S).return_code == 0


def test_hung_node_accepts_and_answers_all_it_held_once_it_goes_on(
    sim: SimulatedCluster, client: WireClient
) -> None:
    assert answers(client, sim.target(0))
    sim.node(0).fault(Fault.HUNG)
    assert client.reachability(sim.target(0)) is Reachability.ACCEPTS
    late = [
        client.monitor_submit(sim.target(0), "worker_stats", deadline_s=LONG_S) for _ in range(3)
    ]
    with pytest.raises(RuntimeTimedOut):
        client.monitor(sim.target(0), "bdev_stats", deadline_s=SHORT_S)
    sim.node(0).clear(Fault.HUNG)
    assert [future.result(LONG_S).return_code for future in late] == [0, 0, 0]
    assert sim.node(0).sim.seen.calls["bdev_stats"] == 1


def test_frozen_node_accepts_tcp_and_shakes_no_hands(
    sim: SimulatedCluster, client: WireClient
) -> None:
    sim.node(0).fault(Fault.FROZEN)
    assert client.reachability(sim.target(0)) is Reachability.ACCEPTS
    with socket.create_connection((sim.target(0).host, sim.target(0).client_port)) as raw:
        raw.settimeout(SHORT_S)
        with pytest.raises(TimeoutError):
            raw.recv(1)
    assert not answers(client, sim.target(0), deadline_s=1.0)
    sim.node(0).clear()
    wait_for(lambda: answers(client, sim.target(0)))


def test_silent_node_drops_requests_for_good(sim: SimulatedCluster, client: WireClient) -> None:
    assert answers(client, sim.target(0))
    sim.node(0).fault(Fault.SILENT)
    future = client.monitor_submit(sim.target(0), "worker_stats", deadline_s=1.0)
    time.sleep(0.2)
    sim.node(0).clear()
    with pytest.raises(RuntimeTimedOut):
        future.result(LONG_S)
    assert answers(client, sim.target(0))


def test_refusing_node_has_its_port_closed(sim: SimulatedCluster, client: WireClient) -> None:
    assert answers(client, sim.target(0))
    sim.node(0).fault(Fault.REFUSES)
    wait_for(lambda: client.reachability(sim.target(0)) is Reachability.REFUSED)
    with pytest.raises(RuntimeUnreachable):
        client.monitor(sim.target(0), "worker_stats", deadline_s=2.0)
    sim.node(0).clear()
    wait_for(lambda: answers(client, sim.target(0)))


def test_return_code_is_refused_by_name(sim: SimulatedCluster, client: WireClient) -> None:
    sim.node(0).fault(Fault.RETURN_CODE, code=3)
    with pytest.raises(RuntimeRefused) as caught:
        workers_read(client, sim.target(0))
    assert caught.value.return_code == 3


@pytest.mark.parametrize(
    "fault", [(Fault.TRUNCATED, {}), *((Fault.LENGTH_LIE, {"kind": kind}) for kind in LIES)]
)
def test_broken_replies_are_named_and_the_node_answers_again(
    sim: SimulatedCluster, client: WireClient, fault: tuple[Fault, dict[str, str]]
) -> None:
    assert answers(client, sim.target(0))
    sim.node(0).fault(fault[0], **fault[1])
    with pytest.raises(RuntimeFailure) as caught:
        workers_read(client, sim.target(0), deadline_s=1.0)
    assert isinstance(caught.value, ContractBroken | RuntimeTimedOut)
    sim.node(0).clear()
    wait_for(lambda: answers(client, sim.target(0)))


def test_huge_reply_is_not_taken_and_other_nodes_answer(
    sim: SimulatedCluster, client: WireClient
) -> None:
    assert answers(client, sim.target(0))
    sim.node(0).fault(Fault.HUGE, size_bytes=64 * 1024 * 1024)
    with pytest.raises(RuntimeFailure):
        client.monitor(sim.target(0), "worker_stats", deadline_s=2.0)
    assert answers(client, sim.target(1))
    sim.node(0).clear()
    wait_for(lambda: answers(client, sim.target(0)))


def test_restart_begins_at_event_zero_with_a_new_number(
    sim: SimulatedCluster, client: WireClient
) -> None:
    before = client.monitor(sim.target(0), "get_host_info", deadline_s=LONG_S)
    assert system_samples_read(client, sim.target(0), min_event_id=50)
    sim.node(0).restart(down_s=0.1)
    wait_for(lambda: sim.node(0).sim.life.boot.number == 1 and answers(client, sim.target(0)))
    after = client.monitor(sim.target(0), "get_host_info", deadline_s=LONG_S)
    assert after.boot != before.boot
    assert [s.event_id for s in system_samples_read(client, sim.target(0))][0:1] == [0]
    assert system_samples_read(client, sim.target(0), min_event_id=50) == ()


def test_clock_skew_moves_the_wall_clock_only(sim: SimulatedCluster, client: WireClient) -> None:
    (straight, *_) = system_samples_read(client, sim.target(0), min_event_id=50)
    sim.node(0).fault(Fault.CLOCK_SKEW, seconds=-90.0)
    (skewed, *_) = system_samples_read(client, sim.target(0), min_event_id=50)
    assert skewed.wall_time_ns == straight.wall_time_ns - 90 * 10**9
    assert skewed.timestamp_ns == straight.timestamp_ns


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_reach_the_client_and_its_decoder_copes(
    sim: SimulatedCluster, client: WireClient, kind: str
) -> None:
    sim.node(0).fault(Fault.HOSTILE_NAMES, kind=kind)
    raw = client.monitor(sim.target(0), "get_host_info", deadline_s=LONG_S).parts[0]
    assert msgpack.unpackb(raw)["hostname"] == HOSTILE_TEXTS[kind]
    assert "\x00" not in host_info_read(client, sim.target(0)).hostname
    device = block_devices_read(client, sim.target(0))[0]
    assert device.pool_id == "301.0"
    assert device.device_health is not None


@pytest.mark.parametrize("fault", [Fault.MISSING_KEY, Fault.WRONG_TYPE])
def test_missing_key_and_wrong_type_break_the_contract_by_name(
    sim: SimulatedCluster, client: WireClient, fault: Fault
) -> None:
    sim.node(0).fault(fault, query="worker_stats")
    with pytest.raises(ContractBroken, match="num_queued_tasks"):
        workers_read(client, sim.target(0))
    assert host_info_read(client, sim.target(0)).node_id == 0


def test_extra_key_survives(sim: SimulatedCluster, client: WireClient) -> None:
    sim.node(0).fault(Fault.EXTRA_KEY, key="novelty")
    assert workers_read(client, sim.target(0))[0].extra == {"novelty": "kept"}


def test_empty_entry_short_array_and_missing_stats(
    sim: SimulatedCluster, client: WireClient
) -> None:
    node = sim.node(0)
    node.fault(Fault.EMPTY_ENTRY)
    assert len(workers_read(client, node.target)) == 3
    node.clear()
    whole = len(containers_read(client, node.target))
    node.fault(Fault.SHORT_ARRAY, query="container_stats")
    assert len(containers_read(client, node.target)) == whole
    node.fault(Fault.NO_STATS)
    assert {d.stats_known for d in block_devices_read(client, node.target)} == {False}


def test_duplicate_and_overtaking_replies_reach_their_callers(
    sim: SimulatedCluster, client: WireClient
) -> None:
    assert answers(client, sim.target(0))
    sim.node(0).fault(Fault.DUPLICATE, copies=3)
    sim.node(0).fault(Fault.OUT_OF_ORDER, seconds=0.2)
    order: list[int] = []
    asked = ["worker_stats", "get_host_info"] * 5
    futures = []
    for number, query in enumerate(asked):
        future = client.monitor_submit(sim.target(0), query, deadline_s=LONG_S)
        future.add_done_callback(lambda _, number=number: order.append(number))  # type: ignore[misc]
        futures.append(future)
    sizes = {
        query: len(future.result(LONG_S).parts[0])
        for query, future in zip(asked, futures, strict=True)
    }
    wait_for(lambda: len(order) == len(asked))
    assert order != sorted(order)
    assert sizes["worker_stats"] > sizes["get_host_info"]


def test_stop_ends_the_node_and_a_restart_brings_it_back(
    sim: SimulatedCluster, client: WireClient
) -> None:
    assert answers(client, sim.target(0))
    client.stop(sim.target(0), grace_ms=500, deadline_s=LONG_S)
    wait_for(lambda: sim.node(0).sim.condition is Condition.STOPPED)
    wait_for(lambda: client.reachability(sim.target(0)) is Reachability.REFUSED)
    assert sim.node(0).sim.seen.calls["stop_runtime"] == 1
    sim.node(0).restart()
    wait_for(lambda: answers(client, sim.target(0)))


def test_broadcast_over_the_wire_gathers_every_node(
    sim: SimulatedCluster, client: WireClient
) -> None:
    answer = client.monitor(
        sim.target(1), "get_host_info", route=Route.broadcast(), deadline_s=LONG_S
    )
    assert set(answer.parts) == {0, 1, 2}


def test_faults_refuse_parameters_that_they_do_not_have(sim: SimulatedCluster) -> None:
    with pytest.raises(ValueError, match="it has: seconds, query"):
        sim.node(0).fault(Fault.SLOW, minutes=1)
    with pytest.raises(ValueError, match="seconds of fault slow must be float"):
        sim.node(0).fault(Fault.SLOW, seconds="soon")
    with pytest.raises(ValueError, match="one of count"):
        sim.node(0).fault(Fault.LENGTH_LIE, kind="colour")
    with pytest.raises(ValueError, match="size_bytes of fault huge must be within"):
        sim.node(0).fault(Fault.HUGE, size_bytes=2**40)
    with pytest.raises(ValueError, match="seconds of fault clock_skew must be within"):
        sim.node(0).fault(Fault.CLOCK_SKEW, seconds=float("nan"))
    with pytest.raises(IndexError, match=r"there are 0\.\.2"):
        sim.node(3)


def test_one_process_serves_many_nodes_with_one_thread() -> None:
    before = threading.active_count()
    wire = WireClient(ClientOptions(generation=WireGeneration.V2_3))
    with SimulatedCluster(SimOptions(nodes=120, port=0)) as sim:
        assert threading.active_count() == before + 2  # the client's and the cluster's
        futures = [
            wire.monitor_submit(target, "get_host_info", deadline_s=20.0)
            for target in sim.targets()
        ]
        found = [json.dumps(sorted(future.result(30.0).parts)) for future in futures]
        wire.close()
    assert found == [f"[{node_id}]" for node_id in range(120)]
