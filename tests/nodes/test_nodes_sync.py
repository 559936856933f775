"""The nodes follow the host list, whatever is done to it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apps.cluster.models import Cluster
from apps.cluster.services import cluster_ensure
from apps.nodes.models import Node, StateChange
from apps.nodes.services import NodesSynced, StateVerdict, node_states_store, nodes_sync
from apps.runtime.types import NodeState, Target
from tests.factories import AT


def targets(*addresses: str) -> list[Target]:
    return [Target(node_id, host, 9413) for node_id, host in enumerate(addresses)]


def sync(cluster: Cluster, *addresses: str, minutes: int = 0) -> NodesSynced:
    at = AT + timedelta(minutes=minutes)
    return nodes_sync(cluster, targets=targets(*addresses), at=at)


def present() -> dict[int | None, str]:
    return {node.node_id: node.host for node in Node.objects.present()}


@pytest.fixture
def cluster(db: None) -> Cluster:
    return cluster_ensure(at=AT)


def test_new_lines_are_new_nodes(cluster: Cluster) -> None:
    assert sync(cluster, "a", "b") == NodesSynced(2, 0, 0, 0)
    assert present() == {0: "a", 1: "b"}
    assert Node.objects.get(host="a").state == NodeState.UNKNOWN


def test_the_same_list_changes_nothing(cluster: Cluster) -> None:
    sync(cluster, "a", "b")
    assert not sync(cluster, "a", "b").changed


def test_swapped_lines_swap_ids_and_keep_the_nodes(cluster: Cluster) -> None:
    sync(cluster, "a", "b", "c")
    before = {node.host: node.pk for node in Node.objects.all()}
    assert sync(cluster, "c", "a", "b") == NodesSynced(0, 3, 0, 0)
    assert present() == {0: "c", 1: "a", 2: "b"}
    assert {node.host: node.pk for node in Node.objects.all()} == before


def test_a_removed_line_retires_the_node_with_its_history(cluster: Cluster) -> None:
    sync(cluster, "a", "b", "c")
    Node.objects.filter(host="b").update(state=NodeState.ALIVE)
    assert sync(cluster, "a", "c", minutes=1) == NodesSynced(0, 1, 1, 0)
    assert present() == {0: "a", 1: "c"}
    gone = Node.objects.get(host="b")
    assert gone.retired_at == AT + timedelta(minutes=1)
    assert gone.node_id is None
    change = StateChange.objects.get(node=gone)
    assert (change.from_state, change.to_state) == ("alive", "unknown")


def test_a_node_that_returns_is_itself(cluster: Cluster) -> None:
    sync(cluster, "a", "b")
    pk = Node.objects.get(host="a").pk
    sync(cluster, "b", minutes=1)
    assert sync(cluster, "b", "a", minutes=2) == NodesSynced(0, 0, 0, 1)
    assert Node.objects.get(pk=pk).node_id == 1
    assert present() == {0: "b", 1: "a"}


def test_nodes_of_another_cluster_are_left_alone(cluster: Cluster) -> None:
    other = Cluster.objects.create(name="other", created_at=AT)
    nodes_sync(other, targets=targets("a", "x"), at=AT)
    sync(cluster, "a")
    assert Node.objects.present().filter(cluster=other).count() == 2


def test_a_thousand_nodes_take_few_queries(
    cluster: Cluster, django_assert_max_num_queries: object
) -> None:
    names = [f"n{number}" for number in range(1000)]
    with django_assert_max_num_queries(30):  # type: ignore[operator]
        sync(cluster, *names)
    with django_assert_max_num_queries(30):  # type: ignore[operator]
        sync(cluster, *reversed(names))


def verdict(node: Node, state: NodeState, from_state: str | None = None) -> StateVerdict:
    return StateVerdict(
        node_pk=node.pk,
        from_state=node.state if from_state is None else from_state,
        state=state,
        reason="why",
        boot=5,
    )


def test_a_changed_state_is_stored_with_its_row(cluster: Cluster) -> None:
    sync(cluster, "a", "b")
    first, second = Node.objects.all()
    changed = node_states_store(
        [verdict(first, NodeState.ALIVE), verdict(second, NodeState.UNKNOWN)], at=AT
    )
    assert changed == 1
    first.refresh_from_db()
    assert (first.state, first.state_since, first.state_reason) == ("alive", AT, "why")
    row = StateChange.objects.get()
    assert (row.node_id, row.from_state, row.to_state, row.boot) == (
        first.pk, "unknown", "alive", 5,
    )  # fmt: skip


def test_a_state_that_changed_meanwhile_is_left(cluster: Cluster) -> None:
    sync(cluster, "a")
    node = Node.objects.get()
    assert node_states_store([verdict(node, NodeState.DOWN, from_state="alive")], at=AT) == 0
    assert Node.objects.get().state == "unknown"
    assert not StateChange.objects.exists()


LISTS = st.lists(
    st.lists(st.sampled_from([f"h{number}" for number in range(7)]), unique=True, max_size=7),
    min_size=1,
    max_size=8,
)


class AnySequence(TestCase):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(LISTS)
    def test_any_sequence_of_lists(self, lists: list[list[str]]) -> None:
        cluster = cluster_ensure(at=AT)
        known: dict[str, int] = {}
        for minutes, names in enumerate(lists):
            done = sync(cluster, *names, minutes=minutes)
            assert present() == dict(enumerate(names))
            rows = {node.host: node.pk for node in Node.objects.all()}
            assert known.items() <= rows.items(), "a node that was known once stays itself"
            assert set(rows) == set(known) | set(names)
            assert done.created == len(set(names) - set(known))
            known = rows
