"""At most one round of a kind at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.cluster.models import Cluster
from apps.collector.leases import Lease, RoundCounts, lease_drop, lease_end, lease_take
from apps.collector.models import PollRound
from tests.factories import AT, cluster_make

pytestmark = pytest.mark.django_db
COUNTS = RoundCounts(asked=4, answered=3, failed=1, pending=0)


@pytest.fixture
def cluster() -> Cluster:
    return cluster_make()


def take(cluster: Cluster, holder: str = "one", *, after_s: float = 0) -> Lease | None:
    at = AT + timedelta(seconds=after_s)
    return lease_take(cluster, kind="system", holder=holder, length_s=10, at=at)


def test_the_second_is_refused_and_counted(cluster: Cluster) -> None:
    assert take(cluster) is not None
    assert take(cluster, "two", after_s=9.9) is None
    assert PollRound.objects.get().skipped_total == 1


def test_kinds_do_not_hinder_each_other(cluster: Cluster) -> None:
    assert take(cluster)
    assert lease_take(cluster, kind="workers", holder="two", length_s=10, at=AT)


def test_an_ended_round_makes_room(cluster: Cluster) -> None:
    lease = take(cluster)
    assert lease is not None
    assert lease_end(lease, counts=COUNTS, at=AT)
    row = PollRound.objects.get()
    assert (row.nodes_asked, row.nodes_answered, row.nodes_failed, row.calls_total) == (4, 3, 1, 4)
    second = take(cluster, "two", after_s=1)
    assert second is not None
    assert second.number == lease.number + 1


def test_a_process_that_died_loses_it_with_time(cluster: Cluster) -> None:
    dead = take(cluster)
    assert dead is not None
    heir = take(cluster, "two", after_s=10)
    assert heir is not None
    assert not lease_end(dead, counts=COUNTS, at=AT), "its figures are too late"
    lease_drop(dead)
    assert PollRound.objects.get().lease_holder == heir.token
    assert lease_end(heir, counts=COUNTS, at=AT)


def test_the_same_process_cannot_take_it_twice(cluster: Cluster) -> None:
    assert take(cluster)
    assert take(cluster) is None
