"""GET /api/topology and /api/system: who is alive, how busy, and how old is that."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.cluster.models import Cluster
from apps.nodes.models import FigureKind, LatestFigures, Node
from apps.runtime.types import NodeState
from tests.api import situations
from tests.api.conftest import Get
from tests.factories import AT

pytestmark = pytest.mark.django_db

CONTRACT = {
    "node_id",
    "hostname",
    "ip_address",
    "cpu_usage_pct",
    "ram_usage_pct",
    "gpu_count",
    "gpu_usage_pct",
    "hbm_usage_pct",
    "is_leader",
    "alive",
}
FIGURES = {
    "cpu_usage_pct",
    "ram_usage_pct",
    "ram_total_bytes",
    "ram_available_bytes",
    "gpu_count",
    "gpu_usage_pct",
    "hbm_usage_pct",
}


def test_a_living_node_has_the_contracts_fields_and_its_figures(get: Get) -> None:
    situations.healthy()
    nodes = get("/api/topology").json()["nodes"]
    assert [node["node_id"] for node in nodes] == [0, 1, 2, 3]
    first = nodes[0]
    assert first.keys() >= CONTRACT
    assert (first["hostname"], first["ip_address"], first["port"]) == ("node0", "10.0.0.1", 9413)
    assert (first["cpu_usage_pct"], first["ram_usage_pct"]) == (77.095, 2.32)
    assert (first["alive"], first["state"], first["is_leader"]) == (True, "alive", True)
    assert first["last_seen_at"] == "2026-11-22T12:00:00Z"
    assert first["maintenance"] is None


def test_a_dead_node_keeps_its_name_and_shows_no_figure(get: Get) -> None:
    situations.one_down()
    dead = get("/api/topology").json()["nodes"][2]
    assert (dead["hostname"], dead["state"], dead["alive"]) == ("node2", "down", False)
    assert dead["state_reason"] == "Its client port refuses connections."
    assert {dead[name] for name in FIGURES} == {None}
    assert dead["last_seen_at"] == "2026-11-22T11:55:00Z"


def test_without_gpus_their_load_is_not_known_rather_than_zero(get: Get) -> None:
    situations.one_down()
    plain, gpu = get("/api/topology").json()["nodes"][:2]
    assert (plain["gpu_count"], plain["gpu_usage_pct"], plain["hbm_usage_pct"]) == (0, None, None)
    assert (gpu["gpu_count"], gpu["gpu_usage_pct"], gpu["hbm_usage_pct"]) == (4, 61.5, 25.0)


def test_every_node_dead_is_503_and_still_lists_them(get: Get) -> None:
    situations.all_down()
    response = get("/api/topology")
    body = response.json()
    assert response.status_code == 503
    assert body["error"] == "None of the 4 nodes answers."
    assert [node["state"] for node in body["nodes"]] == ["down"] * 4
    assert body["connected"] is False


def test_a_silent_collector_makes_every_state_unknown(get: Get) -> None:
    situations.stale()
    body = get("/api/topology").json()
    assert {node["state"] for node in body["nodes"]} == {"unknown"}
    assert {node["alive"] for node in body["nodes"]} == {None}
    assert {node[name] for node in body["nodes"] for name in FIGURES} == {None}
    assert (body["stale"], body["age_s"]) == (True, 60.0)


def test_a_late_node_is_not_taken_for_a_dead_cluster(get: Get) -> None:
    situations.all_down()
    Node.objects.filter(node_id=0).update(state=NodeState.SUSPECT)
    assert get("/api/topology").status_code == 200


def test_the_age_is_true_in_body_and_header(get: Get) -> None:
    situations.healthy()
    Cluster.objects.update(polled_at=AT - timedelta(seconds=3.5))
    LatestFigures.objects.update(received_at=AT - timedelta(seconds=4))
    response = get("/api/topology")
    assert response["Age"] == "3"
    assert response.json()["age_s"] == 3.5
    assert response.json()["sampled_at"] == "2026-11-22T11:59:56.500000Z"
    assert response.json()["nodes"][0]["age_s"] == 4.0


def test_hostile_names_come_through_unharmed(get: Get) -> None:
    situations.healthy()
    names = ["<script>alert(1)</script>", "x" * 255, "\u202egpj.exe", "'; DROP TABLE nodes; --"]
    for node_id, name in enumerate(names):
        Node.objects.filter(node_id=node_id).update(hostname=name)
    response = get("/api/topology")
    assert [node["hostname"] for node in response.json()["nodes"]] == names
    assert response["X-Content-Type-Options"] == "nosniff"


def test_system_sums_the_workers_of_the_nodes_that_answer(get: Get) -> None:
    situations.one_down()
    body = get("/api/system").json()
    # Node 2 is down, and the figures of node 3 are stale: two nodes of two workers each.
    assert (body["workers"], body["queued"], body["blocked"]) == (4, 6, 2)
    assert body["processed"] == 2 * (151 + 157_766)
    assert (body["connected"], body["nodes"], body["nodes_alive"]) == (True, 4, 3)
    assert body["nodes_counted"] == 2
    assert body["states"] == {"alive": 3, "suspect": 0, "hung": 0, "down": 1, "unknown": 0}


def test_system_without_worker_figures_does_not_say_zero(get: Get) -> None:
    situations.healthy()
    LatestFigures.objects.filter(kind=FigureKind.WORKERS).delete()
    body = get("/api/system").json()
    assert {body[name] for name in ("workers", "queued", "blocked", "processed")} == {None}
    assert (body["nodes_counted"], body["age_s"]) == (0, None)


@pytest.mark.parametrize("situation", ["all_down", "stale", "not_polled", "no_cluster"])
def test_system_says_that_it_is_not_connected(get: Get, situation: str) -> None:
    situations.SITUATIONS[situation]()
    response = get("/api/system")
    assert response.status_code == 503
    assert response.json()["connected"] is False
