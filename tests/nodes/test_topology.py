"""What pages and API are told of the nodes, at a given instant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.cluster.models import Cluster
from apps.cluster.services import cluster_touch
from apps.nodes.cache import topology_cache_clear, topology_cached
from apps.nodes.errors import FilterError, NodeUnknown
from apps.nodes.models import FigureKind, LatestFigures, Node
from apps.nodes.selectors import (
    NodeRow,
    latest,
    latest_all,
    node_get,
    node_row,
    nodes_retired,
    state_changes,
    system_entries,
    topology,
    topology_filter,
    workers_total,
)
from apps.runtime.types import NodeState
from tests.factories import AT, BOOT, cluster_of, cluster_of_four, samples_make, workers

pytestmark = pytest.mark.django_db

CONTRACT_NODE = {
    "node_id", "hostname", "ip_address", "cpu_usage_pct", "ram_usage_pct", "gpu_count",
    "gpu_usage_pct", "hbm_usage_pct", "is_leader", "alive", "port", "state", "last_seen_at",
    "maintenance",
}  # fmt: skip


@pytest.fixture
def cluster() -> Cluster:
    return cluster_of_four()


def rows(cluster: Cluster, **later: float) -> list[NodeRow]:
    return topology(cluster, at=AT + timedelta(**later)).nodes


def test_the_rows_are_the_present_nodes_in_order(cluster: Cluster) -> None:
    assert [row.node_id for row in rows(cluster)] == [0, 1, 2, 3]


def test_a_living_node_has_its_figures(cluster: Cluster) -> None:
    row = rows(cluster)[0]
    assert (row.state, row.alive, row.is_leader) == (NodeState.ALIVE, True, True)
    assert row.cpu_usage_pct == 77.094970703125
    assert row.ram_usage_pct == 2.319532632827759
    assert (row.gpu_count, row.gpu_usage_pct, row.hbm_usage_pct) == (0, None, None)
    assert (row.age_s, row.stale, row.last_seen_at) == (0.0, False, AT)


def test_a_gpu_node_has_its_gpu_figures(cluster: Cluster) -> None:
    row = rows(cluster)[1]
    assert (row.gpu_count, row.gpu_usage_pct, row.hbm_usage_pct) == (4, 61.5, 25.0)


def test_a_dead_node_keeps_its_name_and_has_no_figures(cluster: Cluster) -> None:
    row = rows(cluster)[2]
    assert (row.hostname, row.ip_address) == ("node2", "10.0.0.3")
    assert (row.state, row.alive) == (NodeState.DOWN, False)
    figures = (
        row.cpu_usage_pct, row.ram_usage_pct, row.ram_total_bytes, row.gpu_count,
        row.gpu_usage_pct, row.hbm_usage_pct, row.is_leader,
    )  # fmt: skip
    assert figures == (None,) * 7
    assert row.last_seen_at == AT - timedelta(minutes=5)
    assert row.state_age_s == 300


def test_a_node_whose_figures_are_old_says_so(cluster: Cluster) -> None:
    row = rows(cluster)[3]
    assert (row.state, row.stale, row.age_s) == (NodeState.ALIVE, True, 60.0)
    assert row.last_seen_at == AT


@pytest.mark.parametrize(("age_s", "stale"), [(14.9, False), (15.0, False), (15.1, True)])
def test_the_stale_limit(cluster: Cluster, age_s: float, stale: bool) -> None:
    row = rows(cluster, seconds=age_s)[0]
    assert row.stale is stale


def test_a_suspect_node_shows_fresh_figures_only(cluster: Cluster) -> None:
    Node.objects.filter(node_id__in=[0, 3]).update(state=NodeState.SUSPECT)
    fresh, _, _, old = rows(cluster)
    assert (fresh.alive, fresh.cpu_usage_pct is None) == (True, False)
    assert (old.alive, old.cpu_usage_pct) == (True, None)


def test_when_the_collector_is_silent_every_state_is_unknown(cluster: Cluster) -> None:
    seen = topology(cluster, at=AT + timedelta(seconds=16))
    assert seen.stale
    assert seen.connected is None
    assert {row.state for row in seen.nodes} == {NodeState.UNKNOWN}
    assert {row.alive for row in seen.nodes} == {None}
    assert {row.cpu_usage_pct for row in seen.nodes} == {None}
    assert "16 s" in seen.reason
    assert seen.nodes[0].state_reason == seen.reason


def test_before_the_first_round_nothing_is_known(cluster: Cluster) -> None:
    cluster.polled_at = None
    seen = topology(cluster, at=AT)
    assert seen.stale
    assert seen.age_s is None
    assert "No round" in seen.reason


def test_the_cursor_rises_when_rounds_stop_and_again_when_they_come_back(
    cluster: Cluster,
) -> None:
    live = topology(cluster, at=AT).cursor
    silent = topology(cluster, at=AT + timedelta(minutes=1)).cursor
    cluster.poll_number += 1
    back = topology(cluster, at=AT).cursor
    assert live < silent < back


def test_counts(cluster: Cluster) -> None:
    assert topology(cluster, at=AT).counts == {
        "nodes": 4, "alive": 3, "suspect": 0, "hung": 0, "down": 1, "unknown": 0,
    }  # fmt: skip


def test_the_name_is_the_host_unless_hosts_repeat(cluster: Cluster) -> None:
    assert rows(cluster)[0].name == "node0"
    Node.objects.filter(node_id=1).update(host="node0", port=9423)
    assert [row.name for row in rows(cluster)[:3]] == ["node0:9413", "node0:9423", "node2"]
    first = Node.objects.get(node_id=0)
    assert node_row(first, at=AT) == rows(cluster)[0]


@pytest.mark.parametrize("told", ["", "0.0.0.0"])  # noqa: S104 - a name, not a bind
def test_a_nameless_runtime_is_called_by_its_configured_address(
    cluster: Cluster, told: str
) -> None:
    Node.objects.filter(node_id=0).update(hostname=told, ip_address=told)
    row = rows(cluster)[0]
    assert (row.hostname, row.ip_address) == ("node0", "node0")


def test_a_row_has_every_field_of_the_contract(cluster: Cluster) -> None:
    assert set(rows(cluster)[0].as_contract()) >= CONTRACT_NODE


@pytest.mark.parametrize("count", [4, 1000])
def test_topology_takes_two_queries_whatever_the_size(
    count: int, django_assert_num_queries: Any
) -> None:
    cluster = cluster_of(count)
    with django_assert_num_queries(2):
        assert len(topology(cluster, at=AT).nodes) == count
    with django_assert_num_queries(1):
        assert workers_total(cluster, at=AT).workers == 2 * count
    with django_assert_num_queries(1):
        assert len(latest_all(cluster, FigureKind.SYSTEM, at=AT)) == count


def test_the_cached_topology_is_read_once_in_a_quarter_second(
    cluster: Cluster, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.PORTAL_LIVE_CACHE_S = 0.25
    topology_cache_clear()
    with django_assert_num_queries(3):
        first = topology_cached(at=AT)
        assert topology_cached(at=AT + timedelta(milliseconds=249)) is first
    with django_assert_num_queries(1):
        later = topology_cached(at=AT + timedelta(milliseconds=250))
    assert later.age_s == 0.25
    with django_assert_num_queries(1):
        assert topology_cached(at=AT).age_s == 0.0, "a clock that went back must not freeze it"
    Node.objects.filter(node_id=0).update(state=NodeState.HUNG)
    cluster_touch(cluster)
    with django_assert_num_queries(3):
        changed = topology_cached(at=AT + timedelta(milliseconds=500))
    assert changed.nodes[0].state is NodeState.HUNG
    topology_cache_clear()


def test_without_a_cache_time_every_call_reads(cluster: Cluster, settings: Any) -> None:
    settings.PORTAL_LIVE_CACHE_S = 0
    topology_cache_clear()
    topology_cached(at=AT)
    Node.objects.filter(node_id=0).update(state=NodeState.HUNG)
    assert topology_cached(at=AT).nodes[0].state is NodeState.HUNG
    topology_cache_clear()


@pytest.mark.parametrize("node_id", [4, -1, 2**31, 10**30])
def test_an_unknown_node(cluster: Cluster, node_id: int) -> None:
    with pytest.raises(NodeUnknown) as caught:
        node_get(cluster, node_id=node_id)
    assert caught.value.status == 404


def test_retired_nodes_are_listed_apart(cluster: Cluster) -> None:
    assert [node.host for node in nodes_retired(cluster)] == ["gone"]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [0, 1, 2, 3]),
        ("3", [3]),
        ("0-2", [0, 1, 2]),
        ("1-1", [1]),
        ("0,2-3", [0, 2, 3]),
        (" 1 , 3 ", [1, 3]),
        ("node1,3", [1, 3]),
        ("NODE2", [2]),
        ("10.0.0.4", [3]),
        ("node3:9413", [3]),
        ("nothing", []),
        ("7", []),
        ("2-99999", [2, 3]),
        ("%", []),
        ("<script>", []),
    ],
)
def test_filter_by_text(cluster: Cluster, text: str, ids: list[int]) -> None:
    assert [row.node_id for row in topology_filter(rows(cluster), text=text)] == ids


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("9-3", "3-9"),
        ("3-", "neither"),
        ("-3", "neither"),
        ("1-2-3", "neither"),
        ("-", "neither"),
        ("1" * 12, "neither"),
        ("x" * 1001, "longer"),
        ("1," * 300, "terms"),
    ],
)
def test_a_filter_that_means_nothing(cluster: Cluster, text: str, word: str) -> None:
    with pytest.raises(FilterError, match=word) as caught:
        topology_filter(rows(cluster), text=text)
    assert caught.value.status == 400


def test_filter_by_state(cluster: Cluster) -> None:
    found = topology_filter(rows(cluster), text="0-2", states=["down", "hung"])
    assert [row.node_id for row in found] == [2]
    with pytest.raises(FilterError, match="no node state"):
        topology_filter(rows(cluster), states=["dead"])


def test_latest_figures_have_their_own_age(cluster: Cluster) -> None:
    node = Node.objects.get(node_id=0)
    told = latest(node, FigureKind.WORKERS, at=AT + timedelta(seconds=4))
    assert (told.figures, told.age_s, told.stale) == (workers(), 4.0, False)


def test_rare_figures_are_stale_later(cluster: Cluster) -> None:
    node = Node.objects.get(node_id=0)
    at = AT + timedelta(seconds=100)
    assert latest(node, FigureKind.WORKERS, at=at).stale
    assert not latest(node, FigureKind.CONTAINERS, at=at).stale
    assert latest(node, FigureKind.CONTAINERS, at=AT + timedelta(seconds=151)).stale


def test_latest_of_a_node_that_never_answered(cluster: Cluster) -> None:
    LatestFigures.objects.all().delete()
    told = latest(Node.objects.get(node_id=0), FigureKind.WORKERS, at=AT)
    assert (told.figures, told.age_s, told.stale, told.error_code) == (None, None, True, "")


def test_a_failed_question_keeps_the_last_figures(cluster: Cluster) -> None:
    told = latest(Node.objects.get(node_id=3), FigureKind.SYSTEM, at=AT)
    assert told.figures["cpu_usage_pct"] == 77.094970703125
    assert told.error_code == "contract_broken"


def test_workers_are_summed_over_living_nodes_with_fresh_figures(cluster: Cluster) -> None:
    total = workers_total(cluster, at=AT)
    assert (total.workers, total.queued, total.blocked, total.processed) == (4, 6, 2, 315_834)
    assert total.nodes_counted == 2


def test_workers_of_a_silent_collector_are_not_known(cluster: Cluster) -> None:
    total = workers_total(cluster, at=AT + timedelta(minutes=1))
    assert (total.workers, total.queued, total.nodes_counted) == (None, None, 0)


def test_entries_from_an_event_on(cluster: Cluster) -> None:
    node = Node.objects.get(node_id=0)
    assert [entry["event_id"] for entry in system_entries(node, min_event_id=298)] == [
        298, 299, 300,
    ]  # fmt: skip
    assert len(system_entries(node, min_event_id=0)) == 120
    assert system_entries(node, min_event_id=301) == []
    assert system_entries(node, min_event_id=10**30) == []


def test_entries_are_those_of_the_current_process(cluster: Cluster) -> None:
    node = Node.objects.get(node_id=0)
    node.boot = BOOT + 777
    node.save()
    assert system_entries(node, min_event_id=0) == []
    samples_make(node, at=AT, seconds=2)
    assert len(system_entries(node, min_event_id=0)) == 2


def test_entries_stored_twice_are_told_once(cluster: Cluster) -> None:
    node = Node.objects.get(node_id=0)
    samples_make(node, at=AT, seconds=120)
    ids = [entry["event_id"] for entry in system_entries(node, min_event_id=0)]
    assert ids == list(range(181, 301))


def test_state_changes(cluster: Cluster) -> None:
    (change,) = state_changes(Node.objects.get(node_id=2))
    assert str(change) == "alive → down"
