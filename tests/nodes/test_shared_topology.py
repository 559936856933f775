"""n web processes behave as one: they show the same copy of the topology, from Redis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

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
    shared._held = None


def queries(after_ms: int) -> int:
    with CaptureQueriesContext(connection) as seen:
        shared.topology_cached(at=AT + timedelta(milliseconds=after_ms))
    return len(seen)


def test_one_reads_and_the_others_take_what_it_read() -> None:
    node_make(cluster_make(), node_id=0)
    first = shared.topology_cached(at=AT)
    another_process()
    assert queries(after_ms=100) == 0
    assert shared.topology_cached(at=AT + timedelta(milliseconds=100)) == first
    another_process()
    assert queries(after_ms=250) > 0, "it is too old by then"


def test_no_process_shows_an_older_copy_after_a_newer_one() -> None:
    node = node_make(cluster_make(), node_id=0)
    shared.topology_cached(at=AT)
    mine = shared._held
    Node.objects.filter(pk=node.pk).update(state=NodeState.HUNG)
    another_process()
    later = AT + timedelta(milliseconds=260)
    assert shared.topology_cached(at=later).nodes[0].state is NodeState.HUNG
    shared._held = mine  # back in the first process
    assert shared.topology_cached(at=later).nodes[0].state is NodeState.HUNG


def test_a_process_that_died_while_it_read_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    node_make(cluster_make(), node_id=0)
    shared._cache().set(shared.MAKER_KEY, 1, timeout=60)
    monkeypatch.setattr(shared, "MAKER_MAY_TAKE_S", 0.2)
    assert len(shared.topology_cached(at=AT).nodes) == 1


def test_without_redis_each_reads_by_itself(broker: Redis) -> None:
    node_make(cluster_make(), node_id=0)
    broker.child.kill()
    assert len(shared.topology_cached(at=AT).nodes) == 1
    another_process()
    assert queries(after_ms=100) > 0
