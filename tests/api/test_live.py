"""What all live answers share: JSON bytes, ETag, gzip, content negotiation."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings
from time_machine import Traveller

from apps.cluster.api.live import live_body, to_json
from apps.cluster.models import Cluster
from apps.nodes.models import Node
from apps.runtime.types import NodeState
from tests.api import situations
from tests.api.conftest import Get
from tests.factories import AT


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": float("nan"), "b": [float("inf"), 1.5]}, '{"a":null,"b":[null,1.5]}'),
        ({"name": "\ud800"}, '{"name":"\\ud800"}'),
        ({"name": "Jürgen"}, '{"name":"Jürgen"}'),
        ((1, None, 2**63), "[1,null,9223372036854775808]"),
    ],
)
def test_json(value: object, text: str) -> None:
    assert to_json(value) == text.encode()


def test_the_etag_covers_figures_and_status_but_not_the_age() -> None:
    def etag(figure: int, age_s: float, status: int = 200) -> str:
        return live_body({"n": figure}, sampled_at=AT, age_s=age_s, status=status).etag

    assert etag(1, 0.5) == etag(1, 7.0)
    assert len({etag(1, 0.5), etag(2, 0.5), etag(1, 0.5, 503)}) == 3


@pytest.mark.django_db
def test_an_unchanged_topology_is_304_with_a_true_age(
    get: Get, client: Client, clock: Traveller
) -> None:
    situations.healthy()
    first = get("/api/topology")
    clock.shift(4)
    client_has = {"if-none-match": f'"other", {first["ETag"]}'}
    second = client.get("/api/topology", headers=client_has)
    assert (second.status_code, second.content, second["Age"]) == (304, b"", "4")
    assert "Content-Type" not in second


@pytest.mark.django_db
def test_a_changed_topology_is_sent_anew(get: Get) -> None:
    situations.healthy()
    tag = get("/api/topology")["ETag"]
    Node.objects.filter(node_id=1).update(state=NodeState.HUNG)
    assert get("/api/topology", headers={"if-none-match": tag}).status_code == 200


@pytest.mark.django_db
def test_an_error_is_never_304(get: Get) -> None:
    situations.all_down()
    tag = get("/api/topology")["ETag"]
    assert get("/api/topology", headers={"if-none-match": tag}).status_code == 503
    assert get("/api/topology", headers={"if-none-match": "*"}).status_code == 503


@pytest.mark.django_db
def test_gzip_only_for_who_takes_it(get: Get, client: Client) -> None:
    situations.healthy()
    plain = get("/api/topology", headers={"accept-encoding": "gzip;q=0, br"})
    zipped = client.get("/api/topology", headers={"accept-encoding": "br, gzip"})
    assert zipped["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in zipped["Vary"]
    assert json.loads(gzip.decompress(zipped.content)) == plain.json()
    assert len(zipped.content) < len(plain.content) / 2


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/xml", "", "text/plain"])
def test_a_script_gets_json_whatever_it_accepts(get: Get, accept: str) -> None:
    situations.healthy()
    for path in ("/api/topology", "/api/config", "/api/node/9/workers"):
        get(path, headers={"accept": accept})  # `get` asserts the content type


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["topology", "config", "node/0/workers", "node/9/workers", ""])
def test_a_browser_gets_the_browsable_page(client: Client, path: str) -> None:
    situations.healthy()
    response = client.get(f"/api/{path}", headers={"accept": "text/html,*/*;q=0.8"})
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert b"<h1>" in response.content
    asked = client.get(f"/api/{path}?format=json", headers={"accept": "text/html"})
    assert asked["Content-Type"] == "application/json"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["topology", "system", "workers", "pools", "config"])
def test_both_forms_of_a_path_answer_alike(get: Get, path: str) -> None:
    situations.healthy()
    assert get(f"/api/{path}/").json() == get(f"/api/{path}").json()


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["workers", "system_stats", "bdev_stats", "container_stats"])
def test_both_forms_of_a_nodes_path_answer_alike(get: Get, kind: str) -> None:
    situations.healthy()
    assert get(f"/api/node/0/{kind}/").json() == get(f"/api/node/0/{kind}").json()


@pytest.mark.django_db
def test_head_has_the_headers_and_no_body(client: Client) -> None:
    situations.healthy()
    response = client.head("/api/topology")
    assert (response.status_code, response.content, response["Age"]) == (200, b"", "0")


@pytest.mark.django_db
def test_the_list_of_routes_names_each(client: Client) -> None:
    body = client.get("/api/").json()
    assert body["cluster"]["topology"] == "/api/topology"
    assert body["node"]["node-bdev-stats"] == "/api/node/0/bdev_stats"


@pytest.mark.django_db
def test_many_readers_cost_one_read(
    client: Client, settings: Settings, clock: Traveller, django_assert_num_queries: Any
) -> None:
    situations.healthy()
    settings.PORTAL_LIVE_CACHE_S = 0.25
    client.get("/api/topology")
    Cluster.objects.update(poll_number=99)
    with django_assert_num_queries(0):
        held = client.get("/api/topology").json()
    clock.shift(0.3)
    fresh = client.get("/api/topology").json()
    assert (held["cursor"], fresh["cursor"]) == (2468, 198)
    assert fresh["age_s"] == 0.3
