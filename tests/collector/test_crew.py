"""Who polls which nodes: shares, joining, leaving, dying; and that nobody stores for another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from apps.cluster.models import Cluster
from apps.collector.crew import (
    SHARDS,
    Crew,
    crew_hand_over,
    crew_holds,
    crew_join,
    crew_leave,
    crew_nodes,
    crew_others,
    lease_s,
    quota,
)
from apps.collector.models import CollectorMember, CollectorShard
from apps.collector.rounds import round_run
from apps.common.time import utc_now
from apps.nodes.models import FigureKind, Node
from tests.collector.poller import Poller
from tests.factories import AT, cluster_make, node_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    return cluster_make()


class Clock:
    """Rounds two seconds apart."""

    def __init__(self) -> None:
        self.mono = 1000.0

    def round(self, cluster: Cluster, *crews: Crew) -> None:
        self.mono += 2
        for crew in crews:
            at = AT + timedelta(seconds=self.mono)
            crew_join(crew, cluster, at=at, mono=self.mono)
            crew_hand_over(crew, cluster)

    def rounds_until(self, met: Callable[[], bool], cluster: Cluster, *crews: Crew) -> int:
        for number in range(1, 20):
            self.round(cluster, *crews)
            assert_nothing_twice(cluster)
            if met():
                return number
        raise AssertionError("twenty rounds were not enough")


def elsewhere(holder: str) -> Crew:
    """A process whose life can't be looked up from here."""
    return Crew(holder, place="", pid=1)


def assert_nothing_twice(cluster: Cluster) -> None:
    assert CollectorShard.objects.filter(cluster=cluster).count() == SHARDS


def even(*crews: Crew) -> bool:
    owned: list[int] = [number for crew in crews for number in crew.shards]
    sizes = {len(crew.shards) for crew in crews}
    return sorted(owned) == list(range(SHARDS)) and max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("count", [1, 2, 3, 7, 59, 60, 61])
def test_the_quotas_make_up_all_shards(count: int) -> None:
    members = list(range(10, 10 + count))
    shares = [quota(members, member) for member in members]
    assert sum(shares) == SHARDS
    assert max(shares) - min(shares) <= 1


def test_one_alone_has_everything_at_once(cluster: Cluster) -> None:
    crew = elsewhere("one")
    Clock().round(cluster, crew)
    assert crew.has_all


def test_one_that_joins_gets_its_share_after_a_round(cluster: Cluster) -> None:
    clock, one, two = Clock(), elsewhere("one"), elsewhere("two")
    clock.round(cluster, one)
    clock.round(cluster, two)
    assert one.has_all, "it polls all of them once more before it hands any over"
    assert not two.shards
    assert clock.rounds_until(lambda: even(one, two), cluster, one, two) <= 2


def test_neighbours_are_shared_out(cluster: Cluster) -> None:
    nodes = [node_make(cluster, node_id=number) for number in range(6)]
    clock, one, two = Clock(), elsewhere("one"), elsewhere("two")
    clock.round(cluster, one)
    clock.rounds_until(lambda: even(one, two), cluster, one, two)
    mine, others = set(crew_nodes(one, cluster)), set(crew_nodes(two, cluster))
    assert mine | others == set(nodes)
    assert not mine & others
    assert len(mine) == 3
    assert set(crew_others(one, cluster)) == others


def test_many_share_and_one_that_leaves_is_replaced_at_once(cluster: Cluster) -> None:
    clock = Clock()
    crews = [elsewhere(str(number)) for number in range(4)]
    clock.rounds_until(lambda: even(*crews), cluster, *crews)
    crew_leave(crews[1])
    assert not crews[1].shards
    rest = [crews[0], *crews[2:]]
    assert clock.rounds_until(lambda: even(*rest), cluster, *rest) <= 3


def test_one_that_dies_is_replaced_after_the_lease(cluster: Cluster) -> None:
    clock, one, two = Clock(), elsewhere("one"), elsewhere("two")
    clock.rounds_until(lambda: even(one, two), cluster, one, two)
    rounds = clock.rounds_until(lambda: one.has_all, cluster, one)
    assert lease_s() < rounds * 2 <= lease_s() + 4
    assert CollectorMember.objects.get().holder == "one"


def test_what_the_removed_one_brings_is_not_stored_and_it_joins_anew(cluster: Cluster) -> None:
    clock, one, two = Clock(), elsewhere("one"), elsewhere("two")
    clock.rounds_until(lambda: even(one, two), cluster, one, two)
    removed = two.own_pk
    assert crew_holds(removed, is_pulse=True)
    clock.rounds_until(lambda: one.has_all, cluster, one)
    assert not crew_holds(removed, is_pulse=True)
    assert crew_holds(one.own_pk, is_pulse=True)
    two.lost()
    assert clock.rounds_until(lambda: even(one, two), cluster, one, two) <= 3


@pytest.mark.parametrize(("is_pulse", "stays"), [(True, 2), (False, 1)])
def test_only_what_system_rounds_store_is_a_sign_of_life(
    cluster: Cluster, is_pulse: bool, stays: int
) -> None:
    """The system rounds of one hang; it stores other figures, or a long system round's."""
    clock, one, two = Clock(), elsewhere("one"), elsewhere("two")
    clock.rounds_until(lambda: even(one, two), cluster, one, two)
    for _ in range(8):
        crew_holds(two.own_pk, is_pulse=is_pulse)
        clock.round(cluster, one)
    assert CollectorMember.objects.count() == stays
    assert one.has_all is (stays == 1)


def test_a_process_whose_system_rounds_hang_is_replaced(poller: Poller) -> None:
    own, other = poller.engine.crew, elsewhere("other")
    own.place = ""
    poller.all_fresh()
    own_row = CollectorMember.objects.filter(holder=own.holder)
    with poller.engine.turn(FigureKind.SYSTEM):  # one has begun, and does not end
        for number in range(10):
            round_run(poller.engine, kind=FigureKind.WORKERS, at=utc_now())
            crew_join(other, poller.cluster, at=utc_now(), mono=2.0 * number)
        assert other.has_all
        assert round_run(poller.engine, kind=FigureKind.WORKERS, at=utc_now()) is None
        assert not own_row.exists(), "it does not come back for other figures"
    assert poller.round().counts.asked == 0, "it has joined anew, and waits for its share"
    assert own_row.exists()


def test_after_the_database_was_away_nobody_is_taken_for_dead(cluster: Cluster) -> None:
    clock, one, two = Clock(), elsewhere("one"), elsewhere("two")
    clock.rounds_until(lambda: even(one, two), cluster, one, two)
    before = (one.shards, two.shards)
    clock.mono += 60
    clock.round(cluster, one)
    clock.round(cluster, one, two)
    assert (one.shards, two.shards) == before
    assert CollectorMember.objects.count() == 2


def test_one_of_this_machine_that_is_gone_is_replaced_at_once(cluster: Cluster) -> None:
    clock, before, after = Clock(), Crew("before"), Crew("after")
    clock.round(cluster, before)
    clock.round(cluster, after)
    assert after.has_all, "its process number is our own now"
    assert CollectorMember.objects.get().holder == "after"


def test_new_nodes_have_their_shard(cluster: Cluster) -> None:
    crew = elsewhere("one")
    Clock().round(cluster, crew)
    node = node_make(cluster, node_id=0)
    assert list(crew_nodes(crew, cluster)) == [node]
    Node.objects.update(retired_at=AT, node_id=None)
    assert not crew_nodes(crew, cluster).exists()
