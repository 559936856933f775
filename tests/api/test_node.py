"""The routes of one node, and /api/workers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.nodes.models import FigureKind, LatestFigures, Node, SampleChunk
from tests import factories
from tests.api import situations
from tests.api.conftest import Get
from tests.factories import AT, BOOT

pytestmark = pytest.mark.django_db


def test_workers_of_a_node(get: Get) -> None:
    situations.healthy()
    body = get("/api/node/1/workers").json()
    expected = [{"node_id": 1, **worker} for worker in factories.workers()]
    assert body["workers"] == expected
    assert body["summary"] == {"count": 2, "queued": 3, "blocked": 1, "processed": 157_917}
    assert (body["node_id"], body["stale"], body["age_s"]) == (1, False, 0.0)
    assert "last_error" not in body


def test_workers_of_all_nodes_name_those_that_are_missing(get: Get) -> None:
    situations.one_down()
    body = get("/api/workers?node=all").json()
    assert [worker["node_id"] for worker in body["workers"]] == [0, 0, 1, 1, 3, 3]
    assert body["summary"]["count"] == 6
    assert body["nodes_missing"] == [2]
    assert (body["stale"], body["age_s"]) == (True, 60.0)  # the oldest counts: node 3's


def test_workers_without_a_node_are_the_leaders_when_no_node_is_here(get: Get) -> None:
    situations.healthy()
    Node.objects.filter(node_id=0).update(is_leader=False)
    Node.objects.filter(node_id=2).update(is_leader=True)
    assert get("/api/workers").json()["node_id"] == 2
    assert get("/api/workers?node=1").json()["node_id"] == 1


def test_workers_without_a_node_are_those_of_this_machine(get: Get) -> None:
    situations.healthy()
    Node.objects.filter(node_id=3).update(host="127.0.0.1")
    assert get("/api/workers").json()["node_id"] == 3


@pytest.mark.parametrize("node", ["ALL", "-1", "1.5", "9" * 40, "0,1", "%00"])
def test_workers_of_a_node_that_makes_no_sense(get: Get, node: str) -> None:
    situations.healthy()
    response = get(f"/api/workers?node={node}")
    assert (response.status_code, response.json()["code"]) == (400, "bad_parameter")


def test_samples_come_oldest_first_from_the_asked_one_on(get: Get) -> None:
    situations.healthy()
    body = get("/api/node/0/system_stats?min_event_id=298").json()
    assert [entry["event_id"] for entry in body["entries"]] == [298, 299, 300]
    assert body["entries"][-1] == factories.entry(node_id=0, event_id=300, at=AT)
    assert (body["boot"], body["last_event_id"]) == (BOOT, 300)
    assert len(get("/api/node/0/system_stats").json()["entries"]) == 120


def test_samples_newer_than_the_newest_are_none_but_its_number_is_told(get: Get) -> None:
    situations.healthy()
    body = get("/api/node/0/system_stats?min_event_id=301").json()
    assert (body["entries"], body["last_event_id"]) == ([], 300)


def test_samples_from_before_a_restart_are_left_out(get: Get) -> None:
    situations.healthy()
    node = Node.objects.get(node_id=0)
    node.boot = BOOT + 99
    node.save(update_fields=["boot"])
    fresh = factories.entry(node_id=0, event_id=0, at=AT, cpu_usage_pct=None)
    SampleChunk.objects.create(
        node=node,
        boot=node.boot,
        first_event_id=0,
        last_event_id=0,
        first_at=AT,
        last_at=AT,
        entries=[fresh],
    )
    body = get("/api/node/0/system_stats").json()
    assert body["entries"] == [fresh]
    assert (body["boot"], body["last_event_id"]) == (BOOT + 99, 0)
    # What a script asks that has not seen the restart: nothing, and the reason why.
    late = get("/api/node/0/system_stats?min_event_id=301").json()
    assert (late["entries"], late["last_event_id"]) == ([], None)


@pytest.mark.parametrize(
    "asked", ["", "-1", "1.0", "1e3", "abc", "+5", "0x10", "٣", str(2**63), "9" * 5000]
)
def test_a_bad_event_id_is_400(get: Get, asked: str) -> None:
    situations.healthy()
    response = get("/api/node/0/system_stats", data={"min_event_id": asked})
    body = response.json()
    assert (response.status_code, body["code"]) == (400, "bad_parameter")
    assert body["parameter"] == "min_event_id"


def test_the_largest_event_id_is_no_error(get: Get) -> None:
    situations.healthy()
    assert get(f"/api/node/0/system_stats?min_event_id={2**63 - 1}").json()["entries"] == []


def test_block_devices_with_measured_rates(get: Get) -> None:
    situations.healthy()
    body = get("/api/node/0/bdev_stats").json()
    assert body["devices"] == factories.devices()


def test_rates_that_need_a_second_sample_are_null(get: Get) -> None:
    situations.healthy()
    LatestFigures.objects.filter(kind=FigureKind.BLOCK_DEVICES).update(
        figures=factories.devices(with_rates=False)
    )
    device = get("/api/node/0/bdev_stats").json()["devices"][0]
    assert device["write_bytes_per_s"] is None
    assert device["total_bytes_written"] == 70_451_200


def test_containers_with_what_they_learned(get: Get) -> None:
    situations.healthy()
    assert get("/api/node/0/container_stats").json()["containers"] == factories.containers(0)


@pytest.mark.parametrize(
    ("situation", "state"), [("one_down", "down"), ("one_hung", "hung"), ("stale", "unknown")]
)
def test_a_node_that_can_not_be_reached_tells_the_time_of_its_last_figures(
    get: Get, situation: str, state: str
) -> None:
    situations.SITUATIONS[situation]()
    response = get("/api/node/2/bdev_stats")
    body = response.json()
    assert (response.status_code, body["code"], body["state"]) == (503, "node_unreachable", state)
    last = LatestFigures.objects.get(node__node_id=2, kind=FigureKind.BLOCK_DEVICES)
    assert last.sampled_at is not None
    assert body["sampled_at"] == last.sampled_at.isoformat().replace("+00:00", "Z")
    assert body["age_s"] == (AT - last.sampled_at).total_seconds()
    assert body["error"].startswith("Node 2 (node2:9413) can't be reached, it is " + state)


def test_a_node_that_never_told_is_an_error_and_not_an_empty_list(get: Get) -> None:
    situations.healthy()
    LatestFigures.objects.filter(kind=FigureKind.CONTAINERS).delete()
    response = get("/api/node/0/container_stats")
    assert (response.status_code, response.json()["code"]) == (503, "figures_unknown")
    assert response.json()["sampled_at"] is None


def test_figures_of_a_failing_question_are_stale_and_say_why(get: Get) -> None:
    situations.one_down()
    body = get("/api/node/3/system_stats").json()
    assert body["stale"] is True
    assert body["last_error"]["code"] == "contract_broken"
    assert body["last_error"]["at"] == "2026-11-22T12:00:00Z"


def test_an_empty_list_of_devices_is_an_answer(get: Get) -> None:
    situations.healthy()
    LatestFigures.objects.filter(kind=FigureKind.BLOCK_DEVICES).update(figures=[])
    assert get("/api/node/0/bdev_stats").json()["devices"] == []


def test_the_age_of_a_nodes_figures(get: Get) -> None:
    situations.healthy()
    LatestFigures.objects.update(received_at=AT - timedelta(seconds=7.25))
    response = get("/api/node/0/workers")
    assert (response["Age"], response.json()["age_s"]) == ("7", 7.25)


@pytest.mark.parametrize("node_id", ["abc", "-1", "4", "999999999", "9" * 400, "1.0", "٣", "0x1"])
def test_an_unknown_node_is_404(get: Get, node_id: str) -> None:
    situations.healthy()
    kinds = ("workers", "system_stats", "bdev_stats", "container_stats")
    answers = [get(f"/api/node/{node_id}/{kind}") for kind in kinds]
    assert {response.status_code for response in answers} == {404}
    assert {response.json()["code"] for response in answers} == {"node_unknown"}


def test_a_retired_node_is_unknown(get: Get) -> None:
    situations.healthy()
    Node.objects.filter(node_id=3).update(node_id=None, retired_at=AT)
    assert get("/api/node/3/workers").status_code == 404
