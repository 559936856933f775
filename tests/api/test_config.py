"""GET /api/config and /api/pools."""

from __future__ import annotations

import pytest

from apps.cluster.models import Cluster, ConfigVersion
from tests import factories
from tests.api import situations
from tests.api.conftest import Get

pytestmark = pytest.mark.django_db


def test_the_configuration_in_force(get: Get) -> None:
    situations.healthy()
    body = get("/api/config").json()
    assert body == {
        "config": factories.CONFIG,
        "path": "/etc/clio/clio.yaml",
        "read_at": "2026-11-21T12:00:00Z",
        "version": 1,
        "legacy": [],
        "searched": ["CLIO_SERVER_CONF", "/etc/clio/clio.yaml"],
    }


def test_legacy_names_are_told(get: Get) -> None:
    situations.healthy()
    ConfigVersion.objects.update(legacy=["CHI_SERVER_CONF is not read by a runtime of 2.2."])
    assert get("/api/config").json()["legacy"] == [
        "CHI_SERVER_CONF is not read by a runtime of 2.2."
    ]


@pytest.mark.parametrize("path", ["config", "pools"])
def test_no_file_says_where_it_was_looked_for(get: Get, path: str) -> None:
    situations.no_config()
    body = get(f"/api/{path}").json()
    assert body["searched"] == ["/home/clio/.clio/clio.yaml"]
    assert "/home/clio/.clio/clio.yaml" in body["error"]


def test_a_variable_that_names_a_missing_file_is_named(get: Get) -> None:
    situations.named_config_missing()
    assert get("/api/config").json()["error"].startswith("CLIO_SERVER_CONF names /etc/clio.yaml")


@pytest.mark.parametrize("path", ["config", "pools"])
def test_malformed_yaml_names_line_and_column(get: Get, path: str) -> None:
    situations.broken_config()
    body = get(f"/api/{path}").json()
    assert (body["line"], body["column"]) == (3, 7)
    assert "line 3, column 7" in body["error"]


def test_malformed_yaml_with_a_good_version_serves_that_and_says_so(get: Get) -> None:
    situations.broken_config_with_good()
    body = get("/api/config").json()
    assert body["config"] == factories.CONFIG
    assert body["error"] == situations.YAML_ERROR


def test_pools_as_declared_with_their_life(get: Get) -> None:
    situations.healthy()
    body = get("/api/pools").json()
    found = {pool["pool_id"]: pool for pool in body["pools"]}
    assert list(found) == ["301.0", "512.0", "563.10"]
    assert found["301.0"] == {
        "mod_name": "clio_bdev",
        "pool_name": "ram::chi_default_bdev",
        "pool_id": "301.0",
        "pool_query": "local",
        "live": True,
        "nodes": [0, 1, 2, 3],
        "drift": "",
    }
    assert (found["563.10"]["live"], found["563.10"]["drift"]) == (False, "declared, not live")
    extra = {pool["pool_id"]: pool["drift"] for pool in body["undeclared"]}
    assert extra == {
        "1.0": "runtime's own",
        "512.1": "runtime's own",
        "564.0": "live, not declared",
    }
    assert (body["nodes"], body["nodes_known"]) == (4, 4)


def test_pools_of_a_dead_cluster_are_declared_and_their_life_is_not_known(get: Get) -> None:
    situations.all_down()
    body = get("/api/pools").json()
    assert {pool["live"] for pool in body["pools"]} == {None}
    assert (body["nodes_known"], body["age_s"]) == (0, None)


def test_a_compose_section_of_the_wrong_kind_is_no_crash(get: Get) -> None:
    situations.healthy()
    ConfigVersion.objects.update(config={"compose": {"mod_name": "clio_bdev"}})
    assert get("/api/pools").json()["pools"] == []


def test_the_configuration_is_that_of_the_first_cluster(get: Get) -> None:
    situations.healthy()
    second = Cluster.objects.create(name="second", created_at=factories.AT)
    ConfigVersion.objects.create(
        cluster=second, number=1, path="/x", sha256="1" * 64, read_at=factories.AT, config={}
    )
    assert get("/api/config").json()["config"] == factories.CONFIG
