"""Rounds over simulated nodes, through the real client."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client

from apps.accounts.roles import Role
from apps.accounts.services import account_save
from apps.cluster.models import Cluster
from apps.collector import questions, rounds
from apps.collector.models import PollRound
from apps.collector.rounds import round_run
from apps.common.time import utc_now
from apps.nodes.models import FigureKind, LatestFigures, SampleChunk, StateChange
from apps.nodes.selectors import system_entries, topology
from apps.nodes.services import nodes_sync
from apps.runtime.queries import system_samples_read, workers_read
from apps.runtime.simulated import Fault, ManualClock, SimOptions, SimulatedCluster
from apps.runtime.types import Target
from tests.collector.poller import Poller
from tests.runtime.wire_peers import until


def ids(poller: Poller, node_id: int) -> list[int]:
    return [entry["event_id"] for entry in system_entries(poller.node(node_id))]


def test_a_round_stores_what_the_nodes_said(poller: Poller, sim: SimulatedCluster) -> None:
    poller.all_fresh()
    (*_, told) = system_samples_read(poller.engine.client, sim.target(1))
    row = poller.latest(1)
    assert row.figures["event_id"] == told.event_id
    assert row.figures["cpu_usage_pct"] == told.cpu_usage_pct
    assert row.figures["ram_available_bytes"] == told.ram_available_bytes
    assert row.error_code == ""
    assert row.boot == sim.node(1).sim.life.boot.mono_ns
    node = poller.node(1)
    assert (node.hostname, node.ip_address) == (told.hostname, told.ip_address)
    assert (node.boot, node.wire_generation) == (row.boot, "2.3")
    assert node.server_pid is not None
    assert node.dialback_address.startswith("127.")
    assert node.first_seen_at is not None
    assert ids(poller, 1) == list(range(told.event_id + 1))
    counts = PollRound.objects.get(kind="system")
    assert (counts.nodes_asked, counts.nodes_answered, counts.nodes_failed) == (4, 4, 0)
    assert counts.finished_at is not None


def test_simulated_nodes_are_marked_as_such(poller: Poller) -> None:
    poller.all_fresh()
    assert poller.cluster.is_simulated
    seen = topology(poller.cluster, at=utc_now())
    assert seen.is_simulated
    assert all(row.is_simulated for row in seen.nodes)


def test_the_cluster_is_connected_and_the_cursor_moves(poller: Poller) -> None:
    poller.all_fresh()
    before = poller.cluster
    assert (before.connected, before.connection_reason) == (True, "")
    poller.round()
    after = poller.cluster
    assert after.poll_number == before.poll_number + 1
    assert after.polled_at is not None
    assert before.polled_at is not None
    assert after.polled_at > before.polled_at
    assert after.connection_since == before.connection_since
    poller.round(FigureKind.WORKERS)
    assert poller.cluster.poll_number == after.poll_number + 1
    assert poller.cluster.polled_at == after.polled_at, "only system rounds are the heartbeat"


def test_only_new_samples_are_asked_for_and_stored(poller: Poller, clock: ManualClock) -> None:
    poller.all_fresh()
    stored, before = SampleChunk.objects.count(), poller.latest(0)
    poller.round()
    again = poller.latest(0)
    assert SampleChunk.objects.count() == stored
    assert again.received_at == before.received_at, "nothing new came"
    assert again.answered_at is not None
    assert before.answered_at is not None
    assert again.answered_at > before.answered_at
    clock.advance(3)
    poller.round()
    newest = ids(poller, 0)
    assert newest == list(range(len(newest)))
    assert SampleChunk.objects.filter(node=poller.node(0)).order_by("pk").last() is not None
    assert SampleChunk.objects.count() == stored + 4
    assert poller.latest(0).figures["event_id"] == before.figures["event_id"] + 3


def test_another_process_closes_the_gap(poller: Poller, clock: ManualClock) -> None:
    poller.all_fresh()
    poller.new_process()
    clock.advance(400)
    poller.until(lambda: len(ids(poller, 2)) > 400, within_s=10)
    found = ids(poller, 2)
    assert found == list(range(len(found)))
    _, *gap = SampleChunk.objects.filter(node=poller.node(2)).order_by("first_event_id")
    assert [chunk.last_event_id - chunk.first_event_id < 300 for chunk in gap] == [True, True]
    closed_s = (gap[-1].last_at - gap[0].first_at).total_seconds()
    assert closed_s == pytest.approx(399, abs=1), "a second each, though they came at once"


def test_a_restart_begins_anew(poller: Poller, sim: SimulatedCluster, clock: ManualClock) -> None:
    poller.all_fresh()
    old = poller.node(3)
    others = {number: poller.node(number).boot for number in range(3)}
    sim.node(3).restart()
    clock.advance(5)
    poller.until(lambda: poller.node(3).boot != old.boot and bool(ids(poller, 3)), within_s=20)
    new = poller.node(3)
    assert new.boot == sim.node(3).sim.life.boot.mono_ns
    assert new.booted_at is not None
    assert old.booted_at is not None
    assert new.booted_at > old.booted_at
    found = ids(poller, 3)
    assert found == list(range(len(found)))
    assert len(found) < 20, "none of the old process's sixty"
    assert {number: poller.node(number).boot for number in range(3)} == others


ANSWER_FAULTS: list[tuple[Fault, dict[str, Any], str]] = [
    (Fault.TRUNCATED, {}, "contract_broken"),
    (Fault.LENGTH_LIE, {"kind": "array"}, "contract_broken"),
    (Fault.LENGTH_LIE, {"kind": "string"}, "contract_broken"),
    (Fault.MISSING_KEY, {"key": "ram_usage_pct"}, "contract_broken"),
    (Fault.WRONG_TYPE, {"key": "event_id"}, "contract_broken"),
    (Fault.RETURN_CODE, {"code": 3}, "refused"),
]


@pytest.mark.parametrize(("fault", "values", "code"), ANSWER_FAULTS)
def test_a_bad_answer_is_that_nodes_failure_alone(
    poller: Poller,
    sim: SimulatedCluster,
    clock: ManualClock,
    fault: Fault,
    values: dict[str, Any],
    code: str,
) -> None:
    poller.all_fresh()
    good = poller.latest(2)
    sim.node(2).fault(fault, query="system_stats", **values)
    clock.advance(2)
    poller.until(lambda: poller.latest(2).error_code != "", within_s=10)
    bad = poller.latest(2)
    assert bad.error_code == code
    assert "node 2" in bad.error_message
    assert (bad.figures, bad.received_at) == (good.figures, good.received_at)
    for number in (0, 1, 3):
        row = poller.latest(number)
        assert (row.error_code, row.figures["event_id"]) == ("", good.figures["event_id"] + 2)
    assert poller.state(2) == "alive", "it answers, if badly"
    sim.node(2).clear()
    poller.until(lambda: poller.latest(2).error_code == "", within_s=10)
    assert poller.latest(2).figures["event_id"] == good.figures["event_id"] + 2


def test_a_failing_query_leaves_the_others_of_the_same_node(
    poller: Poller, sim: SimulatedCluster
) -> None:
    poller.all_fresh()
    sim.node(1).fault(Fault.MISSING_KEY, query="worker_stats", key="load")
    poller.round(FigureKind.WORKERS)
    poller.round(FigureKind.BLOCK_DEVICES)
    poller.round()
    assert poller.latest(1, FigureKind.WORKERS).error_code == "contract_broken"
    assert poller.latest(1, FigureKind.WORKERS).figures is None
    assert poller.latest(1, FigureKind.BLOCK_DEVICES).error_code == ""
    assert poller.latest(1).error_code == ""
    assert poller.latest(0, FigureKind.WORKERS).figures is not None


def test_a_hung_node_is_hung_and_the_others_do_not_notice(
    poller: Poller, sim: SimulatedCluster, clock: ManualClock
) -> None:
    poller.all_fresh()
    sim.node(1).fault(Fault.HUNG)
    clock.advance(2)
    poller.until(lambda: poller.state(1) == "hung", within_s=20)
    assert {poller.state(number) for number in (0, 2, 3)} == {"alive"}
    row = topology(poller.cluster, at=utc_now()).nodes[1]
    assert (row.alive, row.cpu_usage_pct) == (False, None)
    assert "accepts connections" in row.state_reason
    sim.node(1).clear()
    poller.until(lambda: poller.state(1) == "alive", within_s=20)
    states = [
        (change.from_state, change.to_state)
        for change in StateChange.objects.filter(node=poller.node(1)).order_by("pk")
    ]
    assert states[0] == ("unknown", "alive")
    assert states[-1][1] == "alive"
    assert all(first[1] == second[0] for first, second in pairwise(states))


def test_a_stopped_node_is_down_and_comes_back(poller: Poller, sim: SimulatedCluster) -> None:
    poller.all_fresh()
    sim.node(0).stop()
    poller.until(lambda: poller.state(0) == "down", within_s=15)
    assert "refuses" in poller.node(0).state_reason
    assert poller.latest(0).error_code in ("unreachable", "timed_out")
    assert poller.latest(0).figures is not None
    assert poller.cluster.connected
    sim.node(0).restart()
    poller.until(lambda: poller.state(0) == "alive", within_s=15)


def test_a_late_answer_is_stored_by_a_later_round(
    poller: Poller, sim: SimulatedCluster, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    poller.all_fresh()
    monkeypatch.setattr(rounds, "DEFAULT_BUDGET_S", 0.2)
    sim.node(2).fault(Fault.SLOW, seconds=0.6, query="system_stats")
    clock.advance(1)
    before = poller.latest(2)
    result = poller.round()
    assert result.counts.pending == 1
    assert poller.latest(2).received_at == before.received_at
    time.sleep(0.6)
    poller.round()
    late = poller.latest(2)
    assert late.figures["event_id"] == before.figures["event_id"] + 1
    assert late.latency_s is not None
    assert late.latency_s >= 0.6


def test_a_restart_of_which_a_late_answer_tells_loses_no_sample(
    poller: Poller, sim: SimulatedCluster, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The late answer and the next round's own both begin behind the old process's last."""

    def restart(*, up_s: float) -> None:
        before = sim.node(3).sim.life.boot
        sim.node(3).restart()
        until(lambda: sim.node(3).sim.life.boot is not before)
        clock.advance(up_s)

    def stored(number: int) -> bool:
        boot = sim.node(3).sim.life.boot.mono_ns
        return poller.node(3).boot == boot and len(ids(poller, 3)) >= number

    poller.all_fresh()
    restart(up_s=10)
    poller.until(lambda: stored(10), within_s=15)
    clock.advance(1)
    restart(up_s=40)
    monkeypatch.setattr(rounds, "DEFAULT_BUDGET_S", 0.2)
    sim.node(3).fault(Fault.SLOW, seconds=1.0, query="system_stats")
    poller.until(lambda: poller.round().counts.pending == 1, within_s=15, every_s=0)
    time.sleep(1.2)
    sim.node(3).clear()
    monkeypatch.undo()
    poller.until(lambda: stored(20), within_s=15)
    found = ids(poller, 3)
    assert found == list(range(len(found)))


def test_a_cluster_that_is_down_at_the_start_is_disconnected_with_the_reason(
    sim: SimulatedCluster, db: None
) -> None:
    for handle in sim.nodes():
        handle.stop()
    poller = Poller(sim.targets())
    try:
        poller.until(lambda: set(poller.states().values()) == {"down"}, within_s=15)
        cluster = poller.cluster
        assert cluster.connected is False
        assert "None of 4 nodes answers" in cluster.connection_reason
        assert "Node 0 (" in cluster.connection_reason
        for handle in sim.nodes():
            handle.restart()
        poller.until(lambda: poller.cluster.connected is True, within_s=15)
        assert poller.cluster.connection_reason == ""
    finally:
        poller.engine.close()


def test_a_new_process_does_not_forget_that_a_node_is_down(
    poller: Poller, sim: SimulatedCluster
) -> None:
    poller.all_fresh()
    sim.node(0).stop()
    poller.until(lambda: poller.state(0) == "down", within_s=15)
    changes = StateChange.objects.count()
    poller.new_process()
    for _ in range(12):
        poller.round()
        time.sleep(0.1)
    assert poller.state(0) == "down"
    assert StateChange.objects.count() == changes


def test_a_node_that_left_the_list_is_not_asked(poller: Poller, sim: SimulatedCluster) -> None:
    poller.all_fresh()
    nodes_sync(poller.cluster, targets=sim.targets()[:3], at=utc_now())
    seen = sim.node(3).sim.seen.calls.total()
    poller.round()
    poller.round()
    assert sim.node(3).sim.seen.calls.total() == seen
    assert poller.cluster.connected


def test_a_swap_of_lines_does_not_mix_figures(poller: Poller, sim: SimulatedCluster) -> None:
    poller.all_fresh()
    first, second = sim.target(0), sim.target(1)
    swapped = [Target(0, second.host, second.port), Target(1, first.host, first.port)]
    nodes_sync(poller.cluster, targets=[*swapped, *sim.targets()[2:]], at=utc_now())
    poller.round()
    row = poller.latest(0)
    assert row.error_code == "contract_broken", "it calls itself node 1, so it is not node 0"
    assert row.figures["node_id"] == 1, "the last good figures are of the same address"


def test_long_answers_are_taken_a_few_at_a_time(
    poller: Poller, sim: SimulatedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "CATCH_UP_NODES", (1, 1))
    poller.round()
    asked = [sum(node.sim.seen.calls.values()) for node in sim.nodes()]
    assert min(asked) > 0, "all are asked for a sign of life"
    assert poller.rows().exclude(figures=None).count() <= 1
    poller.until(lambda: set(poller.states().values()) == {"alive"}, within_s=10)
    poller.all_fresh()
    for number in range(4):
        found = ids(poller, number)
        assert found == list(range(len(found)))
        assert len(found) >= 60


def test_a_wrong_clock_is_noticed_and_not_believed(
    poller: Poller, sim: SimulatedCluster, clock: ManualClock
) -> None:
    sim.node(1).fault(Fault.CLOCK_SKEW, seconds=-3600.0)
    poller.all_fresh()
    row = poller.latest(1)
    assert row.clock_skew_s == pytest.approx(3600, abs=60)
    assert row.sampled_at == row.received_at
    honest = poller.latest(0)
    assert honest.clock_skew_s == pytest.approx(0, abs=60)


@pytest.mark.parametrize("kind", ["html", "long", "bidi", "nul"])
def test_hostile_names_are_stored_as_text(poller: Poller, sim: SimulatedCluster, kind: str) -> None:
    sim.node(1).fault(Fault.HOSTILE_NAMES, kind=kind)
    poller.all_fresh()
    poller.round(FigureKind.CONTAINERS)
    poller.round(FigureKind.BLOCK_DEVICES)
    assert len(poller.node(1).hostname) <= 255
    assert "\0" not in poller.node(1).hostname


def test_workers_and_containers_have_the_shapes_of_the_contract(
    poller: Poller, sim: SimulatedCluster
) -> None:
    poller.all_fresh()
    for kind in (FigureKind.WORKERS, FigureKind.BLOCK_DEVICES, FigureKind.CONTAINERS):
        poller.round(kind)
    told = workers_read(poller.engine.client, sim.target(0))
    workers = poller.latest(0, FigureKind.WORKERS).figures
    assert [worker["worker_id"] for worker in workers] == [one.worker_id for one in told]
    assert set(workers[0]) >= {
        "worker_id", "is_running", "is_active", "idle_iterations", "num_queued_tasks",
        "num_blocked_tasks", "num_periodic_tasks", "num_retry_tasks", "num_tasks_processed",
        "load", "suspend_period_us",
    }  # fmt: skip
    (device, *_) = poller.latest(0, FigureKind.BLOCK_DEVICES).figures
    assert set(device) >= {
        "pool_id", "pool_name", "bdev_type", "total_capacity", "remaining_capacity",
        "read_bandwidth_mbps", "write_bandwidth_mbps", "read_latency_us", "write_latency_us",
        "iops", "total_reads", "total_writes", "total_bytes_read", "total_bytes_written",
        "device_health", "failure_prediction", "predicted_ttl_days", "read_bytes_per_s",
        "write_bytes_per_s", "reads_per_s", "writes_per_s",
    }  # fmt: skip
    containers = poller.latest(0, FigureKind.CONTAINERS).figures
    assert set(containers[0]) >= {
        "pool_id", "pool_name", "chimod_name", "container_id", "learning_rate", "methods",
    }  # fmt: skip
    pools = poller.latest(0, FigureKind.POOLS).figures
    assert [pool["pool_id"] for pool in pools] == [one["pool_id"] for one in containers]
    assert "methods" not in pools[0]


def test_long_answers_are_stored_in_pieces(poller: Poller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PIECE_BYTES", 1000)
    poller.all_fresh()
    for number in range(4):
        found = ids(poller, number)
        assert found == list(range(len(found)))
        assert poller.node(number).hostname
    assert poller.round().counts.answered == 4


def test_containers_are_taken_in_slices(poller: Poller, monkeypatch: pytest.MonkeyPatch) -> None:
    poller.all_fresh()
    monkeypatch.setattr(rounds, "SLICE_NODES", 3)
    before = poller.cluster.poll_number
    result = poller.round(FigureKind.CONTAINERS)
    assert (result.counts.asked, result.counts.answered, result.counts.pending) == (4, 4, 0)
    assert poller.rows(FigureKind.CONTAINERS).exclude(figures=None).count() == 4
    assert poller.cluster.poll_number == before + 1
    assert PollRound.objects.get(kind="containers").nodes_answered == 4


def test_rates_are_measured_between_two_rounds(
    poller: Poller, sim: SimulatedCluster, clock: ManualClock
) -> None:
    poller.all_fresh()
    poller.round(FigureKind.BLOCK_DEVICES)
    first = poller.latest(0, FigureKind.BLOCK_DEVICES)
    assert {device["write_bytes_per_s"] for device in first.figures} == {None}
    time.sleep(0.3)
    clock.advance(10)
    poller.round(FigureKind.BLOCK_DEVICES)
    second = poller.latest(0, FigureKind.BLOCK_DEVICES)
    assert first.received_at is not None
    assert second.received_at is not None
    span_s = (second.received_at - first.received_at).total_seconds()
    for before, after in zip(first.figures, second.figures, strict=True):
        moved = after["total_bytes_written"] - before["total_bytes_written"]
        assert after["write_bytes_per_s"] == pytest.approx(moved / span_s)
    sim.node(0).restart()
    poller.until(lambda: poller.node(0).boot != second.boot, within_s=15)
    time.sleep(0.3)
    poller.round(FigureKind.BLOCK_DEVICES)
    third = poller.latest(0, FigureKind.BLOCK_DEVICES)
    assert third.boot != second.boot
    assert {device["write_bytes_per_s"] for device in third.figures} == {None}


def test_another_process_measures_on_from_what_is_stored(poller: Poller) -> None:
    poller.all_fresh()
    poller.round(FigureKind.BLOCK_DEVICES)
    poller.new_process()
    time.sleep(0.3)
    poller.until(lambda: poller.round(FigureKind.BLOCK_DEVICES).counts.answered == 4, within_s=10)
    rates = {device["reads_per_s"] for device in poller.latest(0, "block_devices").figures}
    assert None not in rates


def test_the_number_of_queries_does_not_depend_on_the_number_of_nodes(
    django_assert_max_num_queries: Any, clock: ManualClock, db: None
) -> None:
    with SimulatedCluster(SimOptions(nodes=40, port=0), clock=clock) as cluster:
        poller = Poller(cluster.targets()).all_fresh()
        clock.advance(1)
        poller.round()
        clock.advance(1)
        try:
            with django_assert_max_num_queries(30):
                assert poller.round().counts.answered == 40
        finally:
            poller.engine.close()


def test_a_round_that_can_not_be_stored_asks_for_the_same_again(
    poller: Poller, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    poller.all_fresh()
    before = poller.latest(0)
    clock.advance(2)

    def fail(*_: object) -> None:
        raise ConnectionError("the database went away")

    with monkeypatch.context() as patch:
        patch.setattr(rounds, "harvest_store", fail)
        with pytest.raises(ConnectionError):
            poller.round()
    assert poller.latest(0).figures == before.figures
    poller.round()
    assert poller.latest(0).figures["event_id"] == before.figures["event_id"] + 2
    assert ids(poller, 0) == list(range(before.figures["event_id"] + 3))


def test_who_looks_costs_the_runtimes_nothing(poller: Poller, sim: SimulatedCluster) -> None:
    poller.all_fresh()
    for kind in (FigureKind.WORKERS, FigureKind.BLOCK_DEVICES, FigureKind.CONTAINERS):
        poller.round(kind)
    user, _ = account_save(
        username="viewer", role=Role.VIEWER, password="long enough to pass", at=utc_now()
    )
    client = Client()
    client.force_login(user)

    def calls() -> int:
        return sum(node.sim.seen.calls.total() for node in sim.nodes())

    before = calls()
    assert before > 0
    pages = ("/", "/node/0", "/pools", "/config")
    routes = ("workers", "system_stats", "bdev_stats", "container_stats")
    for path in (*pages, "/api/topology", *(f"/api/node/0/{route}" for route in routes)):
        for _ in range(3):
            assert client.get(path).status_code == 200, path
    assert calls() == before


def test_no_nodes_is_a_reason(db: None) -> None:
    poller = Poller([])
    try:
        poller.round()
        cluster: Cluster = poller.cluster
        assert cluster.connected is False
        assert "host list" in cluster.connection_reason
        assert not LatestFigures.objects.exists()
    finally:
        poller.engine.close()


def test_a_round_beside_a_running_one_is_skipped_and_counted(poller: Poller) -> None:
    poller.all_fresh()
    with poller.engine.turn("system") as free:
        assert free
        assert round_run(poller.engine, kind="system", at=utc_now()) is None
        poller.round(FigureKind.WORKERS)
    assert PollRound.objects.get(kind="system").skipped_total == 1
    poller.round()
