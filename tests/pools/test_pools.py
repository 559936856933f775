"""Declared pools beside live ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.cluster.models import Cluster, ConfigStatus
from apps.nodes.models import FigureKind, LatestFigures, Node
from apps.pools.selectors import PoolRow, containers, declared_pools, devices, pools_view
from tests.factories import AT, cluster_of, cluster_of_four

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    return cluster_of_four()


def pools(cluster: Cluster, **later: float) -> dict[str, PoolRow]:
    view = pools_view(cluster, at=AT + timedelta(**later))
    return {pool.pool_id: pool for pool in view.pools}


def test_a_declared_pool_that_runs(cluster: Cluster) -> None:
    pool = pools(cluster)["301.0"]
    assert (pool.declared, pool.live, pool.drift) == (True, True, "")
    assert pool.nodes == [0, 1, 3], "not on the dead node"
    assert (pool.mod_name, pool.pool_name, pool.pool_query) == (
        "clio_bdev", "ram::chi_default_bdev", "local",
    )  # fmt: skip


def test_a_pool_on_one_node_only(cluster: Cluster) -> None:
    assert pools(cluster)["512.0"].nodes == [0]


def test_a_declared_pool_that_does_not_run(cluster: Cluster) -> None:
    pool = pools(cluster)["563.10"]
    assert (pool.declared, pool.live, pool.drift, pool.nodes) == (
        True, False, "declared, not live", [],
    )  # fmt: skip


def test_a_live_pool_that_nobody_declared(cluster: Cluster) -> None:
    pool = pools(cluster)["564.0"]
    assert (pool.declared, pool.live, pool.drift) == (False, True, "live, not declared")
    assert (pool.mod_name, pool.pool_query) == ("clio_cte_indexer", None)


@pytest.mark.parametrize("pool_id", ["1.0", "512.1"])
def test_the_admin_pool_and_tiers_of_declared_pools_are_the_runtimes_own(
    cluster: Cluster, pool_id: str
) -> None:
    assert pools(cluster)[pool_id].drift == "runtime's own"


def test_the_order_is_the_files_then_by_id(cluster: Cluster) -> None:
    assert list(pools(cluster)) == ["301.0", "512.0", "563.10", "1.0", "512.1", "564.0"]


def test_when_no_node_is_known_nothing_is_said_to_be_live(cluster: Cluster) -> None:
    silent = pools(cluster, minutes=10)
    assert {pool.live for pool in silent.values()} == {None}
    assert {pool.drift for pool in silent.values()} == {""}
    assert pools_view(cluster, at=AT + timedelta(minutes=10)).nodes_known == 0


def test_without_a_config_file_live_pools_remain(cluster: Cluster) -> None:
    ConfigStatus.objects.all().delete()
    view = pools_view(cluster, at=AT)
    assert view.config.config is None
    assert view.declared == []
    assert len(view.live) == 5


def test_how_much_is_known(cluster: Cluster) -> None:
    view = pools_view(cluster, at=AT)
    assert (view.nodes_known, view.nodes_total) == (3, 4)
    assert view.sampled_at == AT - timedelta(minutes=1)
    assert view.age_s == 60.0
    assert {pool.pool_id for pool in view.drifted} == {"563.10", "564.0"}


@pytest.mark.parametrize("count", [4, 1000])
def test_pools_take_four_queries_whatever_the_size(
    count: int, django_assert_num_queries: Any
) -> None:
    cluster = cluster_of(count)
    with django_assert_num_queries(4):
        assert len(pools_view(cluster, at=AT).live[0].nodes) == count


@pytest.mark.parametrize(
    "config",
    [{}, {"compose": None}, {"compose": "x"}, {"compose": {"a": 1}}, {"compose": ["x", 5, None]}],
)
def test_a_compose_section_of_another_shape_declares_nothing(config: dict[str, Any]) -> None:
    assert declared_pools(config) == []


def test_a_declaration_with_gaps() -> None:
    assert declared_pools({"compose": [{"mod_name": "m", "storage": 5}]}) == [
        {"mod_name": "m", "pool_name": "", "pool_id": "", "pool_query": None}
    ]


def test_devices_and_containers_of_a_node(cluster: Cluster) -> None:
    node = Node.objects.get(node_id=0)
    ram, disk = devices(node, at=AT).figures
    assert (ram["write_bytes_per_s"], disk["predicted_ttl_days"]) == (7_045_120.0, 120)
    assert len(containers(node, at=AT).figures) == 5
    LatestFigures.objects.filter(kind=FigureKind.BLOCK_DEVICES).delete()
    assert devices(node, at=AT).figures is None
