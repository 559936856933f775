"""Four real nodes of release 2.3.2, through everything that can happen to one.

The times are the promises of the portal: a dead node is down within 10 s, a paused one
hung within 20 s, and one that is back is alive within 10 s; on a machine that is busy
with other tests they are not measured, only waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.collector.rounds import RoundResult
from apps.common.time import utc_now
from apps.nodes.models import FigureKind, LatestFigures, StateChange
from apps.nodes.selectors import system_entries, topology
from apps.pools.selectors import pools_view
from apps.runtime.liveness import DEFAULT_POLICY
from apps.runtime.types import Target
from demo.local_cluster import LocalCluster
from tests.collector.poller import Poller

pytestmark = [pytest.mark.django_db, pytest.mark.runtime]
WITHIN_S = 90.0
EVERY_S = 0.5


@pytest.fixture
def poller(cluster4: LocalCluster, db: None) -> Iterator[Poller]:
    targets = [Target(node.node_id, node.host, node.port) for node in cluster4.nodes]
    poller = Poller(targets, policy=DEFAULT_POLICY)
    yield poller.all_fresh()
    poller.engine.close()


def ids(poller: Poller, node_id: int) -> list[int]:
    return [entry["event_id"] for entry in system_entries(poller.node(node_id))]


def others_are_alive(poller: Poller, node_id: int) -> None:
    """The others have their own figures, and errors of none; never were they hung or down.

    On a busy machine one may be late for a moment, which is not for ever.
    """

    def well() -> bool:
        rows = topology(poller.cluster, at=utc_now()).nodes
        return all(
            row.state == "alive"
            and not row.stale
            and row.ram_usage_pct is not None
            and poller.latest(row.node_id).error_code == ""
            for row in rows
            if row.node_id != node_id
        )

    poller.until(well, within_s=WITHIN_S, every_s=EVERY_S)
    changes = StateChange.objects.exclude(node=poller.node(node_id))
    assert not changes.filter(to_state__in=("hung", "down")).exists()


def has_no_figures(poller: Poller, node_id: int) -> None:
    row = topology(poller.cluster, at=utc_now()).nodes[node_id]
    assert row.alive is False
    assert (row.cpu_usage_pct, row.ram_usage_pct, row.gpu_count) == (None, None, None)
    assert row.hostname == "127.0.0.1", "it keeps its name"


def all_answered(done: RoundResult) -> bool:
    return (done.counts.answered, done.counts.failed) == (4, 0)


def wait_for_answers(poller: Poller, kind: FigureKind) -> None:
    poller.until(lambda: all_answered(poller.round(kind)), within_s=WITHIN_S)


def wait(poller: Poller, node_id: int, state: str) -> None:
    poller.until(lambda: poller.state(node_id) == state, within_s=WITHIN_S, every_s=EVERY_S)


def test_what_four_nodes_tell(poller: Poller, cluster4: LocalCluster) -> None:
    for kind in (FigureKind.WORKERS, FigureKind.BLOCK_DEVICES, FigureKind.CONTAINERS):
        wait_for_answers(poller, kind)
    assert not LatestFigures.objects.exclude(error_code="").exists()
    seen = topology(poller.cluster, at=utc_now())
    assert not seen.is_simulated
    assert seen.connected
    assert [row.is_leader for row in seen.nodes].count(True) == 1
    assert [row.name for row in seen.nodes] == [f"127.0.0.1:{node.port}" for node in cluster4.nodes]
    for row in seen.nodes:
        assert row.ram_total_bytes is not None
        assert row.ram_total_bytes > 2**30
        assert row.ram_usage_pct is not None
        assert 0 < row.ram_usage_pct < 100
        assert row.gpu_usage_pct is None, "there is no GPU here"
        node = poller.node(row.node_id)
        assert node.server_pid == cluster4.nodes[row.node_id].pid
        assert node.wire_generation == "2.3"
    live = {pool.pool_id: pool.nodes for pool in pools_view(poller.cluster, at=utc_now()).live}
    assert live["1.0"] == live["301.0"] == [0, 1, 2, 3]


def test_samples_are_complete_across_rounds_and_processes(poller: Poller) -> None:
    start = len(ids(poller, 0))
    poller.until(lambda: len(ids(poller, 0)) >= start + 2, within_s=WITHIN_S, every_s=EVERY_S)
    poller.new_process()
    poller.until(lambda: len(ids(poller, 0)) >= start + 4, within_s=WITHIN_S, every_s=EVERY_S)
    for node_id in range(4):
        found = ids(poller, node_id)
        assert found == list(range(found[0], found[0] + len(found)))
    entries = system_entries(poller.node(0))
    assert all(entry["cpu_usage_pct"] is None for entry in entries if entry["event_id"] == 0)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_node_that_ends_is_down_and_starts_again(
    poller: Poller, cluster4: LocalCluster, how: str
) -> None:
    old: Any = poller.node(2)
    getattr(cluster4.nodes[2], how)()
    wait(poller, 2, "down")
    has_no_figures(poller, 2)
    others_are_alive(poller, 2)
    cluster4.nodes[2].start()
    poller.until(
        lambda: (
            bool(poller.node(2).boot != old.boot and ids(poller, 2)) and poller.state(2) == "alive"
        ),
        within_s=WITHIN_S,
        every_s=EVERY_S,
    )
    new = poller.node(2)
    assert new.server_pid == cluster4.nodes[2].pid
    found = ids(poller, 2)
    assert found == list(range(len(found))), "the new process counts from 0"
    others_are_alive(poller, 2)


def test_a_paused_node_is_hung_and_wakes_up(poller: Poller, cluster4: LocalCluster) -> None:
    boot = poller.node(1).boot
    cluster4.nodes[1].pause()
    wait(poller, 1, "hung")
    has_no_figures(poller, 1)
    others_are_alive(poller, 1)
    cluster4.nodes[1].resume()
    wait(poller, 1, "alive")
    poller.until(lambda: poller.latest(1).error_code == "", within_s=WITHIN_S, every_s=EVERY_S)
    assert poller.node(1).boot == boot, "it is the same process"
    found = ids(poller, 1)
    assert found == list(range(found[0], found[0] + len(found))), "and its gap is closed"
    others_are_alive(poller, 1)
