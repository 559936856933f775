"""The topology page and its fragment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from apps.cluster.models import Cluster
from apps.nodes.cache import topology_cache_clear
from apps.nodes.models import LatestFigures, Node
from tests.factories import cluster_make, cluster_of, cluster_of_four
from tests.pages.markup import Markup

pytestmark = pytest.mark.django_db


def shown(response: Any) -> list[str]:
    """Ids of the nodes whose cards are shown."""
    assert response.status_code in (200, 400)
    return Markup(response.content.decode()).attributes("data-node")


def test_four_nodes(viewer_client: Client) -> None:
    cluster_of_four(at=timezone.now())
    response = viewer_client.get("/")
    markup = Markup(response.content.decode())
    assert shown(response) == ["0", "1", "2", "3"]
    assert markup.attributes("data-state") == ["alive", "alive", "down", "alive"]
    assert "Its client port refuses connections." in markup.text
    assert markup.text.count("leader") == 1
    assert markup.text.count("GPU") == 1, "a GPU bar only where there are GPUs"
    assert "77.1 %" in markup.text
    assert "is-stale" in (markup.with_class("card")[3]["class"] or ""), "node 3 is a minute old"


def test_a_node_that_is_down_shows_no_figures(viewer_client: Client) -> None:
    cluster_of_four(at=timezone.now())
    html = viewer_client.get("/", {"q": "2"}).content.decode()
    assert Markup(html).with_class("gauge") == []
    assert "0.0 %" not in html


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"q": "3"}, ["3"]),
        ({"q": "1-2"}, ["1", "2"]),
        ({"q": "0,2-3"}, ["0", "2", "3"]),
        ({"q": "node1,3"}, ["1", "3"]),
        ({"q": "10.0.0.3"}, ["2"]),
        ({"q": "NODE"}, ["0", "1", "2", "3"]),
        ({"state": "down"}, ["2"]),
        ({"state": ["down", "alive"], "q": "2-3"}, ["2", "3"]),
        ({"q": "nothing-has-this-name"}, []),
        ({"q": "   "}, ["0", "1", "2", "3"]),
    ],
)
def test_filter(viewer_client: Client, query: dict[str, Any], ids: list[str]) -> None:
    cluster_of_four(at=timezone.now())
    assert shown(viewer_client.get("/", query)) == ids
    assert shown(viewer_client.get("/fragments/topology", query)) == ids


@pytest.mark.parametrize("query", [{"q": "9-3"}, {"q": "--"}, {"state": "sleepy"}])
def test_a_filter_that_means_nothing_says_so(viewer_client: Client, query: dict[str, str]) -> None:
    cluster_of_four(at=timezone.now())
    response = viewer_client.get("/", query)
    assert response.status_code == 400
    assert shown(response) == []
    assert "That filter can't be read" in response.content.decode()
    assert viewer_client.get("/fragments/topology", query).status_code == 200, (
        "the page stays alive"
    )


def test_the_filter_is_in_the_address(viewer_client: Client) -> None:
    cluster_of_four(at=timezone.now())
    response = viewer_client.get("/fragments/topology", {"q": "node1,3", "state": "alive"})
    assert response.headers["HX-Replace-Url"] == "/?q=node1%2C3&state=alive"
    assert "HX-Replace-Url" not in viewer_client.get("/fragments/topology", {"cursor": "1"}).headers
    markup = Markup(viewer_client.get("/", {"q": "node1", "state": "alive"}).content.decode())
    assert [given.get("value") for tag, given in markup.elements if given.get("id") == "q"] == [
        "node1"
    ]
    assert [given["value"] for _, given in markup.elements if "checked" in given] == ["alive"]


def test_nothing_new_nothing_sent(viewer_client: Client) -> None:
    cluster = cluster_of_four(at=timezone.now())
    first = viewer_client.get("/fragments/topology")
    cursor = Markup(first.content.decode()).attributes("data-cursor")[0]
    again = viewer_client.get("/fragments/topology", {"cursor": cursor})
    assert (again.status_code, again.content) == (204, b"")
    Cluster.objects.filter(pk=cluster.pk).update(poll_number=cluster.poll_number + 1)
    topology_cache_clear()
    assert viewer_client.get("/fragments/topology", {"cursor": cursor}).status_code == 200


def test_the_page_learns_that_collecting_stopped(viewer_client: Client) -> None:
    cluster = cluster_of_four(at=timezone.now())
    cursor = Markup(viewer_client.get("/").content.decode()).attributes("data-cursor")
    Cluster.objects.filter(pk=cluster.pk).update(polled_at=timezone.now() - timedelta(minutes=5))
    topology_cache_clear()
    later = viewer_client.get("/fragments/topology", {"cursor": cursor[1]})
    markup = Markup(later.content.decode())
    assert later.status_code == 200
    assert markup.attributes("data-state") == ["unknown"] * 4
    assert "— of 4" in markup.text
    banner = viewer_client.get("/fragments/connection", {"cursor": cursor[0]}).content.decode()
    assert "Nothing new is being collected" in banner


def test_an_update_brings_the_counts_along(viewer_client: Client) -> None:
    cluster_of_four(at=timezone.now())
    html = viewer_client.get("/fragments/topology", {"cursor": "0"}).content.decode()
    counts = {
        given["id"]: given["hx-swap-oob"]
        for _, given in Markup(html).elements
        if (given.get("id") or "").startswith("count-")
    }
    assert set(counts) == {f"count-{s}" for s in ("alive", "suspect", "hung", "down", "unknown")}
    assert 'id="summary"' in html


def test_many_nodes_come_in_pages(viewer_client: Client) -> None:
    cluster_of(130, at=timezone.now())
    assert shown(viewer_client.get("/")) == [str(number) for number in range(60)]
    assert shown(viewer_client.get("/", {"page": "3"})) == [
        str(number) for number in range(120, 130)
    ]
    assert shown(viewer_client.get("/", {"page": "99"})) == [
        str(number) for number in range(120, 130)
    ]
    assert shown(viewer_client.get("/", {"page": "x"}))[0] == "0"
    second = viewer_client.get("/", {"q": "0-99", "page": "2"}).content.decode()
    assert '<a class="button" rel="prev" href="/?q=0-99&amp;page=1">' in second


def test_as_many_queries_for_many_nodes_as_for_few(
    viewer_client: Client, django_assert_max_num_queries: Any
) -> None:
    cluster_of(150, at=timezone.now())
    viewer_client.get("/")
    topology_cache_clear()
    with django_assert_max_num_queries(12):
        viewer_client.get("/")


def test_no_nodes(viewer_client: Client) -> None:
    cluster_make(at=timezone.now())
    text = Markup(viewer_client.get("/").content.decode()).text
    assert "No nodes yet" in text
    assert "CONTAINER_HOSTFILE" in text


def test_before_the_portal_was_set_up(viewer_client: Client) -> None:
    response = viewer_client.get("/")
    assert response.status_code == 200
    assert "Waiting for the first figures" in response.content.decode()
    assert viewer_client.get("/fragments/connection").status_code == 200


def test_disconnected_says_why_since_when_and_what_to_do(viewer_client: Client) -> None:
    now = timezone.now()
    cluster_of_four(at=now)
    Cluster.objects.update(
        connected=False,
        connection_since=now - timedelta(minutes=3),
        connection_reason="Nothing answers at node0:9413.",
    )
    for path in ("/", "/node/0", "/pools", "/config"):
        text = Markup(viewer_client.get(path).content.decode()).text
        assert "Disconnected" in text, path
        assert "3 min" in text
        assert "Nothing answers at node0:9413." in text
        assert "clio_run status" in text


def test_a_simulated_cluster_says_so_on_every_page(viewer_client: Client) -> None:
    cluster_of_four(at=timezone.now())
    assert "Simulated cluster" not in viewer_client.get("/").content.decode()
    Cluster.objects.update(is_simulated=True)
    for path in ("/", "/node/0", "/node/77", "/pools", "/config"):
        assert "Simulated cluster" in viewer_client.get(path).content.decode(), path


def test_unknown_figures_are_dashes(viewer_client: Client) -> None:
    cluster_of_four(at=timezone.now())
    LatestFigures.objects.filter(node__node_id=0, kind="system").delete()
    Node.objects.filter(node_id=0).update(state="alive")
    text = Markup(viewer_client.get("/", {"q": "0"}).content.decode()).text
    assert "CPU — RAM —" in text
    assert "No figures yet" in text


def test_sums_say_how_many_nodes_they_are_of(viewer_client: Client) -> None:
    cluster_of_four(at=timezone.now())
    assert "4 workers of 2 nodes 6 tasks queued" in text_of_start(viewer_client)
    Node.objects.filter(node_id__in=[2, 3]).delete()
    topology_cache_clear()
    cache.clear()
    assert "4 workers 6 tasks queued" in text_of_start(viewer_client)


def text_of_start(viewer_client: Client) -> str:
    return Markup(viewer_client.get("/").content.decode()).text
