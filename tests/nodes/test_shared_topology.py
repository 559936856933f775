"""n web processes behave as one: they show the same copy of the topology, from Redis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.cluster.services import cluster_touch
from apps.common import made_once
from apps.nodes import cache as shared
from apps.nodes.models import Node
from apps.runtime.types import NodeState
from chaos.services import Redis, ServiceMissing
from tests.factories import AT, cluster_make, node_make

pytestmark = [pytest.mark.django_db, pytest.mark.redis]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    directory = tmp_path_factory.mktemp("redis")
    try:
        own = Redis(directory, log=directory / "redis.log")
    except ServiceMissing as missing:
        pytest.skip(str(missing))
    own.start()
    yield own
    own.child.stop()


@pytest.fixture(autouse=True)
def with_redis(broker: Redis, settings: Any) -> Iterator[None]:
    broker.start()
    settings.PORTAL_LIVE_CACHE_S = 0.25
    settings.PORTAL_REDIS_URL = broker.url
    settings.CACHES = settings.CACHES | {
        "live": {
            "BACKEND": "apps.common.cache.ForgivingRedisCache",
            "LOCATION": broker.url,
            "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
        }
    }
    shared.topology_cache_clear()
    yield
    shared.topology_cache_clear()


def another_process() -> None:
    """What a process keeps for itself is gone; what is in Redis stays."""
    shared._look = shared._stored = shared._topology = None


def store(node: Node, **changes: Any) -> None:
    """As everything that stores what a topology shows: the cursor rises with it."""
    Node.objects.filter(pk=node.pk).update(**changes)
    cluster_touch(node.cluster)


def queries(after_ms: int) -> int:
    with CaptureQueriesContext(connection) as seen:
        shared.topology_cached(at=AT + timedelta(milliseconds=after_ms))
    return len(seen)


def test_one_reads_and_the_others_take_what_it_read() -> None:
    node = node_make(cluster_make(), node_id=0)
    first = shared.topology_cached(at=AT)
    another_process()
    assert queries(after_ms=100) == 0
    assert shared.topology_cached(at=AT + timedelta(milliseconds=100)) == first
    another_process()
    assert queries(after_ms=250) == 1, "it looks again, and there is nothing new"
    store(node, state=NodeState.HUNG)
    assert queries(after_ms=300) == 0
    assert queries(after_ms=500) == 3
    another_process()
    assert queries(after_ms=600) == 0
    assert shared.topology_cached(at=AT + timedelta(milliseconds=600)).nodes[0].state == "hung"


def test_ages_go_on_while_nothing_new_is_stored() -> None:
    node_make(cluster_make(at=AT), node_id=0)
    first = shared.topology_cached(at=AT)
    later = shared.topology_cached(at=AT + timedelta(seconds=3))
    assert (first.age_s, later.age_s) == (0, 3)
    assert first.nodes[0].node_id == later.nodes[0].node_id
    silent = shared.topology_cached(at=AT + timedelta(hours=1))
    assert silent.cursor > later.cursor, "that the rounds have stopped is news"
    assert silent.nodes[0].state is NodeState.UNKNOWN


def test_no_process_shows_an_older_copy_after_a_newer_one() -> None:
    node = node_make(cluster_make(), node_id=0)
    shared.topology_cached(at=AT)
    mine = shared._look, shared._stored, shared._topology
    store(node, state=NodeState.HUNG)
    another_process()
    later = AT + timedelta(milliseconds=260)
    assert shared.topology_cached(at=later).nodes[0].state is NodeState.HUNG
    shared._look, shared._stored, shared._topology = mine  # back in the first process
    assert shared.topology_cached(at=later).nodes[0].state is NodeState.HUNG


@pytest.mark.parametrize("key", [shared.LOOK_KEY, "nodes.stored.{cluster}.0"])
def test_a_process_that_died_while_it_read_holds_nobody_up(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = cluster_make()
    node_make(cluster, node_id=0)
    caches["live"].set(f"{key.format(cluster=cluster.pk)}.maker", 1, timeout=60)
    monkeypatch.setattr(made_once, "MAKER_MAY_TAKE_S", 0.2)
    assert len(shared.topology_cached(at=AT).nodes) == 1


def test_without_redis_each_reads_by_itself(broker: Redis) -> None:
    node_make(cluster_make(), node_id=0)
    broker.child.kill()
    assert len(shared.topology_cached(at=AT).nodes) == 1
    another_process()
    assert queries(after_ms=100) > 0
