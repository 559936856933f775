"""The pages of pools and of the configuration."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from apps.cluster.models import Cluster, ConfigStatus, ConfigVersion
from apps.nodes.models import LatestFigures
from tests.factories import CONFIG_PATH, cluster_make, cluster_of_four, config_make
from tests.pages.markup import Markup

pytestmark = pytest.mark.django_db


def text_of(viewer_client: Client, path: str) -> str:
    response = viewer_client.get(path)
    assert response.status_code == 200
    return Markup(response.content.decode()).text


def test_pools_and_their_drift(viewer_client: Client) -> None:
    cluster_of_four(at=timezone.now())
    text = text_of(viewer_client, "/pools")
    assert "ram::chi_default_bdev 301.0 clio_bdev local yes yes 0–1" in text
    assert "cte_cache 563.10 clio_cte_cache dynamic yes no — declared, not live" in text
    assert "cte_indexer 564.0 clio_cte_indexer — no yes 0 live, not declared" in text
    assert "admin 1.0 clio_admin — no yes" in text
    assert "2 pools drifted" in text
    assert "a pool may run there too" in text, "the node that is down is not known"


def test_a_storage_tier_is_the_runtimes_own_under_its_name_in_a_cluster(
    viewer_client: Client,
) -> None:
    cluster_of_four(at=timezone.now())
    row = LatestFigures.objects.get(node__node_id=0, kind="pools")
    assert row.figures is not None
    for item in row.figures:
        if item["pool_id"] == "512.1":
            item["pool_name"] = "ram::cte_ram_tier1_node0"
    row.save()
    text = text_of(viewer_client, "/pools")
    assert "ram::cte_ram_tier1_node0 512.1 clio_bdev — no yes 0 runtime's own" in text


def test_pools_without_any(viewer_client: Client) -> None:
    cluster_make(at=timezone.now())
    assert "no configuration file has been found" in text_of(viewer_client, "/pools")


def test_pools_of_a_cluster_that_nothing_is_known_of(viewer_client: Client) -> None:
    cluster = cluster_make(at=timezone.now(), polled_at=None, connected=None)
    config_make(cluster, at=timezone.now())
    text = text_of(viewer_client, "/pools")
    assert "not known" in text
    assert "declared, not live" not in text


def test_config(viewer_client: Client) -> None:
    cluster_of_four(at=timezone.now())
    text = text_of(viewer_client, "/config")
    assert CONFIG_PATH in text
    assert "port : 9413" in text
    assert '"563.10"' in text
    assert '"••••••"' in text
    assert "Version 1" in text
    assert "in force" in text
    assert viewer_client.get("/config").content.decode().count("<details") > 3


def test_config_that_became_malformed(viewer_client: Client) -> None:
    cluster_of_four(at=timezone.now())
    ConfigStatus.objects.update(
        error={
            "message": "mapping values are not allowed here",
            "code": "config_malformed",
            "path": CONFIG_PATH,
            "line": 12,
            "column": 7,
            "remedy": "Correct the line; the file is read again by itself.",
        }
    )
    text = text_of(viewer_client, "/config")
    assert "mapping values are not allowed here Line 12, column 7 of /etc/clio/clio.yaml" in text
    assert "Version 1, the last good one, stays in force." in text


def test_no_config_lists_where_it_was_looked_for(viewer_client: Client) -> None:
    cluster = cluster_make(at=timezone.now())
    ConfigStatus.objects.create(
        cluster=cluster,
        checked_at=timezone.now(),
        searched=["CLIO_SERVER_CONF", "~/.clio/clio.yaml"],
    )
    text = text_of(viewer_client, "/config")
    assert "No configuration file found" in text
    assert "CLIO_SERVER_CONF ~/.clio/clio.yaml" in text


def test_legacy_names_and_older_versions(viewer_client: Client) -> None:
    cluster = cluster_of_four(at=timezone.now())
    newer = ConfigVersion.objects.create(
        cluster=cluster,
        number=2,
        path=CONFIG_PATH,
        sha256="a" * 64,
        read_at=timezone.now(),
        config={"networking": {"port": 9500}},
        legacy=["CHI_SERVER_CONF is not read by release 2.2 and later."],
    )
    ConfigStatus.objects.update(current=newer)
    text = text_of(viewer_client, "/config")
    assert "CHI_SERVER_CONF is not read" in text
    assert "9500" in text
    older = text_of(viewer_client, "/config?version=1")
    assert "This is version 1" in older
    assert "9413" in older
    for wrong in ("9", "x", "-1", "1" * 30):
        assert viewer_client.get("/config", {"version": wrong}).status_code == 404


@pytest.mark.parametrize("path", ["/fragments/pools", "/fragments/config"])
def test_nothing_new_nothing_sent(viewer_client: Client, path: str) -> None:
    cluster_of_four(at=timezone.now())
    cursor = Markup(viewer_client.get(path).content.decode()).attributes("data-cursor")[0]
    assert viewer_client.get(path, {"cursor": cursor}).status_code == 204
    ConfigStatus.objects.update(current=None)
    assert viewer_client.get(path, {"cursor": cursor}).status_code == 200
    assert Cluster.objects.count() == 1
