"""`/api/history/…`: what is asked is answered, in words that say what is wrong, or as CSV."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.nodes.models import Node
from tests.api.conftest import Get
from tests.factories import AT, cluster_of
from tests.history_data import history_make

pytestmark = pytest.mark.django_db

SERIES = "/api/history/series?nodes={nodes}&metrics=system.cpu_usage_pct"


@pytest.fixture(autouse=True)
def history(db: None) -> None:
    history_make(cluster_of(4), at=AT, seconds=1260)


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def lines_of(response: Any) -> list[dict[str, str]]:
    assert response["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))


def test_the_catalogue_names_what_can_be_asked(get: Get) -> None:
    listed = {one["metric"]: one for one in get("/api/history/metrics").json()["metrics"]}
    assert listed["system.cpu_usage_pct"] == {
        "metric": "system.cpu_usage_pct",
        "name": "CPU",
        "unit": "pct",
        "type": "gauge",
        "kind": "system",
        "subject_kind": "node",
        "exact_to": 0.01,
    }
    assert listed["block_device.write_bytes_per_s"]["type"] == "rate"
    assert listed["block_device.write_bytes_per_s"]["unit"] == "bytes/s"


# --- series -------------------------------------------------------------------------------


def test_a_curve_with_its_buckets_and_its_gap(get: Get) -> None:
    body = get(SERIES.format(nodes="3") + "&from=-20m&to=now&step=60").json()
    assert (body["step_s"], len(body["times"])) == (60, 20)
    assert (body["from"], body["to"]) == ("2026-11-22T11:40:00Z", "2026-11-22T12:00:00Z")
    assert body["times"][0] == unix("2026-11-22T11:40:00+00:00")
    (one,) = body["series"]
    assert (one["node_id"], one["node"], one["part"], one["unit"]) == (3, "node3", None, "pct")
    assert one["cadence_s"] == 1.0
    gap = body["times"].index(unix("2026-11-22T11:50:00+00:00"))
    assert [one[name][gap] for name in ("min", "avg", "max")] == [None, None, None]
    known = [place for place in range(20) if place != gap]
    assert {one["avg"][place] for place in known} == {34.5}
    assert {one["min"][place] for place in known} == {30}
    assert {one["max"][place] for place in known} == {39}


def test_the_order_is_nodes_then_metrics(get: Get) -> None:
    body = get(
        "/api/history/series?nodes=2,0-1&metrics=workers.num_queued_tasks,system.ram_usage_pct"
        "&from=-5m&points=5"
    ).json()
    found = [(one["node_id"], one["metric"], one["avg"][1]) for one in body["series"]]
    assert found == [
        (0, "workers.num_queued_tasks", 0),
        (0, "system.ram_usage_pct", 50),
        (1, "workers.num_queued_tasks", 2),
        (1, "system.ram_usage_pct", 49),
        (2, "workers.num_queued_tasks", 4),
        (2, "system.ram_usage_pct", 48),
    ]


def test_counters_become_rates_and_devices_are_named(get: Get) -> None:
    body = get(
        "/api/history/series?nodes=1,2&metrics=block_device.write_bytes_per_s&from=-5m&points=5"
    ).json()
    assert [(one["node_id"], one["part"], one["part_name"]) for one in body["series"]] == [
        (1, "301.0", "ram::chi_default_bdev"),
        (2, "301.0", "ram::chi_default_bdev"),
    ]
    assert [one["avg"][2] for one in body["series"]] == [2000, 3000]


def test_parts_are_chosen(get: Get) -> None:
    path = "/api/history/series?nodes=1&metrics=worker.num_queued_tasks&from=-5m&parts={}"
    (one,) = get(path.format("0")).json()["series"]
    assert (one["subject_kind"], one["part"], one["part_name"]) == ("worker", "0", "worker 0")
    assert get(path.format("7")).json()["series"] == []


def test_never_more_buckets_than_asked(get: Get) -> None:
    for points in (1, 7, 60, 500):
        body = get(SERIES.format(nodes="0") + f"&from=-25m&points={points}").json()
        assert len(body["times"]) <= points
        assert len(body["series"][0]["avg"]) == len(body["times"])


# --- CSV ----------------------------------------------------------------------------------


def test_series_as_csv(client: Client) -> None:
    path = SERIES.format(nodes="1,3") + "&from=-20m&step=60"
    lines = lines_of(client.get(path + "&format=csv"))
    assert len(lines) == 2 * 19, "a gap has no line"
    assert lines[0] == {
        "time": "2026-11-22T11:40:00Z",
        "node_id": "1",
        "node": "node1",
        "part": "",
        "metric": "system.cpu_usage_pct",
        "unit": "pct",
        "min": "10",
        "avg": "14.5",
        "max": "19",
    }
    assert lines_of(client.get(path, headers={"accept": "text/csv"})) == lines


def test_a_csv_is_made_of_parts_with_the_same_buckets(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = SERIES.format(nodes="all") + "&from=-20m&points=30&format=csv"
    whole = lines_of(client.get(path))
    monkeypatch.setattr("apps.nodes.api.history.answers.CSV_VALUES_AT_ONCE", 1)
    assert lines_of(client.get(path)) == whole
    assert len({line["node_id"] for line in whole}) == 4


def test_an_error_is_json_even_where_csv_was_asked(client: Client) -> None:
    response = client.get(SERIES.format(nodes="99") + "&format=csv")
    assert (response.status_code, response.json()["code"]) == (404, "node_unknown")


def test_a_csv_is_a_file_to_save(client: Client) -> None:
    response = client.get(SERIES.format(nodes="0") + "&from=-10m&step=60&format=csv")
    assert response["Content-Disposition"] == (
        'attachment; filename="clio-series-20261122T115000Z-20261122T120000Z.csv"'
    )


def test_a_name_is_no_formula(client: Client) -> None:
    Node.objects.filter(node_id=0).update(host="=cmd|'/c calc'!A0")
    lines = lines_of(client.get(SERIES.format(nodes="0") + "&format=csv"))
    assert {line["node"] for line in lines} == {"'=cmd|'/c calc'!A0"}


# --- fleet, top, heatmap, states ----------------------------------------------------------


def test_the_fleet_is_summed_up(get: Get, client: Client) -> None:
    path = "/api/history/fleet?metrics=system.cpu_usage_pct&from=-5m&step=60"
    body = get(path).json()
    (one,) = body["series"]
    assert one["avg"][0] == pytest.approx((4.5 + 14.5 + 24.5 + 34.5) / 4)
    assert (one["min"][0], one["max"][0]) == (0, 39)
    assert one["total"][0] == pytest.approx(78)
    assert one["p95"][0] == pytest.approx(33, abs=0.01)
    assert one["subjects"] == [4] * 5
    lines = lines_of(client.get(path + "&format=csv"))
    assert (len(lines), lines[0]["total"], lines[0]["subjects"]) == (5, "78", "4")
    some = get(path + "&nodes=1-2").json()["series"][0]
    assert some["avg"][0] == pytest.approx(19.5)


def test_the_top_and_the_bottom(get: Get, client: Client) -> None:
    path = "/api/history/top?metric=system.cpu_usage_pct&from=-5m&limit=2"
    body = get(path).json()
    assert [(one["node_id"], one["avg"]) for one in body["subjects"]] == [(3, 34.5), (2, 24.5)]
    least = get(path + "&order=lowest&by=maximum").json()["subjects"]
    assert [(one["node_id"], one["max"]) for one in least] == [(0, 9), (1, 19)]
    lines = lines_of(client.get(path + "&format=csv"))
    assert [(line["rank"], line["node"]) for line in lines] == [("1", "node3"), ("2", "node2")]
    assert get(path + "&by=median").json()["code"] == "bad_parameter"
    assert get(path + "&metric=x,y").status_code == 400


def test_the_heatmap_has_a_line_per_node(get: Get, client: Client) -> None:
    path = "/api/history/heatmap?metric=system.cpu_usage_pct&from=-20m&step=60"
    body = get(path).json()
    assert [row["node_id"] for row in body["rows"]] == [0, 1, 2, 3]
    assert [row["avg"][0] for row in body["rows"]] == [4.5, 14.5, 24.5, 34.5]
    assert [row["max"][0] for row in body["rows"]] == [9, 19, 29, 39]
    gap = body["times"].index(unix("2026-11-22T11:50:00+00:00"))
    assert {row["avg"][gap] for row in body["rows"]} == {None}
    lines = lines_of(client.get(path + "&format=csv"))
    assert len(lines) == 4 * 19


def test_a_node_that_left_keeps_its_history(get: Get) -> None:
    Node.objects.filter(node_id=3).update(node_id=None, retired_at=AT)
    rows = get("/api/history/heatmap?metric=system.cpu_usage_pct&from=-5m").json()["rows"]
    assert [(row["node_id"], row["node"]) for row in rows][-1] == (None, "node3:9413")
    before = "&from=2026-11-22T09:00:00Z&to=2026-11-22T10:00:00Z"
    rows = get(f"/api/history/heatmap?metric=system.cpu_usage_pct{before}").json()["rows"]
    assert [row["node_id"] for row in rows] == [0, 1, 2], "nodes that are there, with gaps"


def test_states_are_a_timeline_without_holes(get: Get, client: Client) -> None:
    path = "/api/history/states?from=-10m"
    nodes = {one["node_id"]: one["spans"] for one in get(path).json()["nodes"]}
    assert [span["state"] for span in nodes[0]] == ["alive"]
    assert [(span["state"], span["from"], span["to"]) for span in nodes[2]] == [
        ("alive", "2026-11-22T11:50:00Z", "2026-11-22T11:55:00Z"),
        ("down", "2026-11-22T11:55:00Z", "2026-11-22T11:56:00Z"),
        ("alive", "2026-11-22T11:56:00Z", "2026-11-22T12:00:00Z"),
    ]
    lines = lines_of(client.get(path + "&format=csv"))
    assert [line["state"] for line in lines if line["node_id"] == "2"] == ["alive", "down", "alive"]


# --- the documented route with a range ----------------------------------------------------


def test_system_stats_of_a_range(get: Get) -> None:
    body = get("/api/node/3/system_stats?from=-15s&to=-10s").json()
    assert [entry["event_id"] for entry in body["entries"]] == list(range(99_985, 99_990))
    first = body["entries"][0]
    assert first["wall_time_ns"] == int((AT - timedelta(seconds=15)).timestamp()) * 10**9
    assert (first["cpu_usage_pct"], first["timestamp_ns"], first["is_leader"]) == (35, None, False)
    assert (first["hostname"], first["boot"]) == ("node3", body["boot"])
    assert (body["next_from"], body["from"]) == (None, "2026-11-22T11:59:45Z")


def test_system_stats_of_a_range_goes_on(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.nodes.api.history.entries.MAX_ENTRIES", 4)
    seen: list[int] = []
    start: str | None = "2026-11-22T11:59:50Z"
    while start is not None:
        body = get(f"/api/node/0/system_stats?from={start}&to=now").json()
        seen += [entry["event_id"] for entry in body["entries"]]
        start = body["next_from"]
    assert seen == list(range(99_990, 100_000))


def test_system_stats_of_a_node_that_is_down(get: Get) -> None:
    Node.objects.filter(node_id=1).update(state="down")
    assert get("/api/node/1/system_stats").status_code == 503
    assert len(get("/api/node/1/system_stats?from=-1m").json()["entries"]) == 60


# --- many nodes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/api/history/series?nodes=all&metrics=system.cpu_usage_pct,worker.num_queued_tasks",
        "/api/history/fleet?metrics=system.cpu_usage_pct",
        "/api/history/heatmap?metric=block_device.write_bytes_per_s",
        "/api/history/top?metric=worker.num_queued_tasks",
        "/api/history/states",
    ],
)
def test_queries_do_not_grow_with_the_nodes(
    client: Client, path: str, django_assert_max_num_queries: Any
) -> None:
    client.get("/api/topology")  # the token's last use is noted once a minute
    with django_assert_max_num_queries(20):
        assert client.get(f"{path}{'&' if '?' in path else '?'}from=-10m").status_code == 200


def test_the_present_is_the_portals(get: Get) -> None:
    body = get(SERIES.format(nodes="0") + "&from=-1m&step=10").json()
    assert datetime.fromisoformat(body["to"]) >= datetime.now(UTC)
