"""Filters, order and pages of every list; and that a list without them is whole."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.control.models import ControlJob, JobStatus
from apps.nodes.api.listing import Listing
from apps.nodes.models import LatestFigures, Node
from apps.runtime.types import NodeState
from tests.api import situations
from tests.api.conftest import Get
from tests.control.kit import launch

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def cluster(db: None) -> None:
    situations.one_down()


def ids(body: Any) -> list[int]:
    return [node["node_id"] for node in body["nodes"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("state=down", [2]),
        ("state=alive,down", [0, 1, 2, 3]),
        ("q=1-2", [1, 2]),
        ("q=node3", [3]),
        ("q=nothing-like-it", []),
        ("order=-node_id", [3, 2, 1, 0]),
        ("order=state,-node_id", [3, 1, 0, 2]),
        ("state=alive&order=-node_id&limit=2", [3, 1]),
        ("limit=2&offset=1", [1, 2]),
        ("offset=3", [3]),
        ("offset=99", []),
    ],
)
def test_nodes(get: Get, query: str, expected: list[int]) -> None:
    body = get(f"/api/topology?{query}").json()
    assert ids(body) == expected
    assert body["counts"]["nodes"] == 4  # of the cluster, not of the page
    assert ("count" in body) == ("limit" in query or "offset" in query)


def test_pages_lead_from_one_to_the_next(get: Get) -> None:
    seen, address = [], "/api/topology?limit=3&order=-node_id"
    while address:
        body = get(address).json()
        assert body["count"] == 4
        seen += ids(body)
        address = body["next"]
    assert seen == [3, 2, 1, 0]


def test_what_is_not_known_comes_last_whichever_end_is_first(get: Get) -> None:
    Node.objects.filter(node_id=0).update(state=NodeState.HUNG)
    for order in ("cpu_usage_pct", "-cpu_usage_pct"):
        assert set(ids(get(f"/api/topology?order={order}").json())[-2:]) == {0, 2}


def test_a_part_has_an_etag_and_an_age_too(client: Client) -> None:
    first = client.get("/api/topology?state=alive")
    again = client.get("/api/topology?state=alive", headers={"if-none-match": first["ETag"]})
    assert (again.status_code, "Age" in again) == (304, True)
    assert client.get("/api/topology")["ETag"] != first["ETag"]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/topology?order=price", "order"),
        ("/api/topology?limit=0", "limit"),
        ("/api/topology?limit=99999", "limit"),
        ("/api/topology?offset=-1", "offset"),
        ("/api/workers?node=all&is_active=perhaps", "is_active"),
        ("/api/node/0/workers?order=node_id,x", "order"),
        ("/api/node/0/bdev_stats?bdev_type=9", "bdev_type"),
        ("/api/node/0/system_stats?limit=x", "limit"),
        ("/api/pools?live=maybe", "live"),
    ],
)
def test_what_makes_no_sense_is_400(get: Get, path: str, parameter: str) -> None:
    answer = get(path)
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["parameter"]) == ("bad_parameter", parameter)


def test_a_state_that_is_none_is_400(get: Get) -> None:
    assert get("/api/topology?state=asleep").json()["code"] == "bad_filter"


def test_workers(get: Get) -> None:
    body = get("/api/workers?node=all&is_active=false&order=-node_id").json()
    assert [worker["node_id"] for worker in body["workers"]] == [3, 1, 0]
    assert {worker["worker_id"] for worker in body["workers"]} == {1}
    assert body["summary"]["count"] == 3
    page = get("/api/workers?node=all&is_active=false&limit=1").json()
    assert (len(page["workers"]), page["count"], page["summary"]["count"]) == (1, 3, 3)


def test_pool_ids_are_ordered_by_their_numbers(get: Get) -> None:
    row = LatestFigures.objects.get(node__node_id=0, kind="block_devices")
    first = row.figures[0]
    row.figures = [first | {"pool_id": pool_id} for pool_id in ("301.10", "301.2", "30.9")]
    row.save()
    body = get("/api/node/0/bdev_stats?order=pool_id").json()
    assert [device["pool_id"] for device in body["devices"]] == ["30.9", "301.2", "301.10"]
    assert get("/api/node/0/bdev_stats?pool_id=301.10&limit=5").json()["count"] == 1


def test_pools_are_one_list_of_two_parts(get: Get) -> None:
    whole = get("/api/pools").json()
    parts = len(whole["pools"]), len(whole["undeclared"])
    assert parts[0] >= 2
    assert parts[1] >= 1
    seen: list[Any] = []
    address = "/api/pools?limit=2"
    while address:
        body = get(address).json()
        assert body["count"] == sum(parts)
        seen += body["pools"] + body["undeclared"]
        address = body["next"]
    assert seen == whole["pools"] + whole["undeclared"]
    named = get("/api/pools?q=CTE_MAIN").json()
    assert [pool["pool_name"] for pool in named["pools"]] == ["cte_main"]


def test_samples_are_paged_by_their_number(get: Get) -> None:
    first = get("/api/node/0/system_stats?min_event_id=250&limit=20").json()
    assert [entry["event_id"] for entry in first["entries"]] == list(range(250, 270))
    assert first["last_event_id"] == 269
    following = get(f"/api/node/0/system_stats?min_event_id={first['last_event_id'] + 1}").json()
    assert following["entries"][0]["event_id"] == 270


def test_jobs_from_either_end(get: Get) -> None:
    pks = []
    for _ in range(5):
        pks.append(launch(0).job.pk)
        ControlJob.objects.update(status=JobStatus.SUCCEEDED)
    for order, expected in (("-number", pks[::-1]), ("number", pks)):
        seen, address = [], f"/api/jobs?limit=2&order={order}"
        while address:
            body = get(address).json()
            assert body["count"] == 5
            seen += [job["job"] for job in body["jobs"]]
            address = body["next"]
        assert seen == expected
    assert get("/api/jobs?order=price").status_code == 400
    assert get("/api/batches?status=sleeping").status_code == 400
    assert get("/api/batches?status=running&action=restart").json()["batches"] == []


def test_texts_are_compared_without_regard_to_case() -> None:
    listing = Listing(
        path="/", asked={}, wanted={}, text="", order=(("name", False),), limit=None, offset=0
    )
    found = listing.ordered({"name": name} for name in ("b", "A", None, "a.b"))
    assert [item["name"] for item in found] == ["A", "a.b", "b", None]
