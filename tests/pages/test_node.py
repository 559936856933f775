"""The page of one node and its sections."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import clear_script_prefix, set_script_prefix
from django.utils import timezone

from apps.cluster.models import Cluster
from apps.nodes.models import LatestFigures, Node
from tests.factories import cluster_of_four
from tests.pages.markup import Markup

pytestmark = pytest.mark.django_db

WORKER_COLUMNS = [
    "Worker",
    "Running",
    "Active",
    "Queued",
    "Blocked",
    "Periodic",
    "Retry",
    "Load",
    "Idle rounds",
    "Sleeps for",
    "Processed",
]


def text_of(viewer_client: Client, path: str) -> str:
    response = viewer_client.get(path)
    assert response.status_code == 200
    return Markup(response.content.decode()).text


@pytest.fixture(autouse=True)
def _cluster(db: None) -> None:
    cluster_of_four(at=timezone.now())


def test_identity_and_system(viewer_client: Client) -> None:
    text = text_of(viewer_client, "/node/0")
    for part in ("node0", "alive", "2 h", "leader", "node0:9413", "21924", "4350241753646", "2.3"):
        assert part in text, part
    assert "77.1 %" in text
    assert "559.1 MiB used of 23.5 GiB" in text
    assert "+0.4 s" in text
    assert "GPU" not in text


def test_gpu_figures_only_where_there_are_gpus(viewer_client: Client) -> None:
    text = text_of(viewer_client, "/node/1")
    assert "GPU" in text
    assert "80.0 GiB used of 320.0 GiB, 4 GPUs" in text


def test_every_field_of_a_worker(viewer_client: Client) -> None:
    text = text_of(viewer_client, "/node/0")
    for column in WORKER_COLUMNS:
        assert column in text, column
    assert "1 yes idle 3 1 3 0 812 µs 0 25 µs 157 766" in text


def test_a_node_that_is_down(viewer_client: Client) -> None:
    text = text_of(viewer_client, "/node/2")
    assert "Its client port refuses connections." in text
    assert "CPU — RAM —" in text
    assert "Nothing answers at node2:9413." in text, "why there are no newer workers"
    assert "alive → down" in text, "the change of state is listed"


def test_unknown_node(viewer_client: Client) -> None:
    for path in ("/node/77", f"/node/{10**30}"):
        response = viewer_client.get(path)
        text = Markup(response.content.decode()).text
        assert response.status_code == 404
        assert "There is no node" in text
        assert "There are 4 nodes now" in text
        assert "gone:9413" in text, "a node that left is named"
    assert viewer_client.get("/node/x").status_code == 404
    for path in ("", "/trend", "/block-devices", "/containers"):
        assert viewer_client.get(f"/fragments/node/77{path}").status_code == 404


def test_block_devices(viewer_client: Client) -> None:
    text = text_of(viewer_client, "/fragments/node/0/block-devices")
    assert "16.0 MiB of 64.0 MiB, 48.0 MiB free" in text
    assert "Writes 6.7 MiB/s" in text
    assert "Predicted by the model Read start value 476.6 MB/s" in text
    assert "Write 3 185.4 MB/s" in text
    assert "no prediction" in text
    assert "temperature (°C) 41" in text
    assert "predicted to last 120 days" in text


def test_rates_are_dashes_until_there_are_two_samples(viewer_client: Client) -> None:
    row = LatestFigures.objects.get(node__node_id=0, kind="block_devices")
    assert row.figures is not None
    for device in row.figures:
        for name in ("read_bytes_per_s", "write_bytes_per_s", "reads_per_s", "writes_per_s"):
            device[name] = None
    row.save()
    text = text_of(viewer_client, "/fragments/node/0/block-devices")
    assert "Reads — Writes — Read operations — Write operations —" in text


@pytest.mark.parametrize("health", ["{", "[1]", "null", "", "[" * 100_000, '"text"'])
def test_health_that_is_no_object_breaks_nothing(viewer_client: Client, health: str) -> None:
    row = LatestFigures.objects.get(node__node_id=0, kind="block_devices")
    assert row.figures is not None
    row.figures[0]["device_health"] = row.figures[0]["failure_prediction"] = health
    row.save()
    assert "ram::chi_default_bdev" in text_of(viewer_client, "/fragments/node/0/block-devices")


def test_containers_show_what_is_untrained(viewer_client: Client) -> None:
    text = text_of(viewer_client, "/fragments/node/0/containers")
    assert "1 of 2 methods trained" in text
    assert "Create untrained — — — —" in text
    assert "Monitor trained 56.807 19.9 % 2 869.100 20.0 %" in text


@pytest.mark.parametrize("section", ["", "/trend", "/block-devices", "/containers"])
def test_nothing_new_nothing_sent(viewer_client: Client, section: str) -> None:
    path = f"/fragments/node/0{section}"
    first = viewer_client.get(path)
    cursor = Markup(first.content.decode()).attributes("data-cursor")[0]
    assert viewer_client.get(path, {"cursor": cursor}).status_code == 204
    assert viewer_client.get(path, {"cursor": "else"}).status_code == 200


def test_a_section_is_sent_again_when_the_node_goes_down(viewer_client: Client) -> None:
    path = "/fragments/node/0/block-devices"
    cursor = Markup(viewer_client.get(path).content.decode()).attributes("data-cursor")[0]
    Node.objects.filter(node_id=0).update(state="down")
    html = viewer_client.get(path, {"cursor": cursor}).content.decode()
    assert "Measured last" in html
    assert "is-stale" in html


def test_the_trend_is_drawn(viewer_client: Client) -> None:
    html = viewer_client.get("/fragments/node/0/trend").content.decode()
    paths = [given["d"] for tag, given in Markup(html).elements if tag == "path"]
    assert any((path or "").count("L") > 15 for path in paths)
    assert "once there are samples" in text_of(viewer_client, "/fragments/node/2/trend")


def test_the_first_view_and_an_update_are_the_same(viewer_client: Client) -> None:
    Cluster.objects.update(poll_number=7)
    whole = viewer_client.get("/node/0").content.decode()
    part = viewer_client.get("/fragments/node/0").content.decode()
    assert Markup(part).text.split("Identity")[1].split("Running since")[0] in Markup(whole).text


def test_a_fixed_number_of_queries(
    viewer_client: Client, django_assert_max_num_queries: Any
) -> None:
    viewer_client.get("/node/0")
    with django_assert_max_num_queries(28):  # with all its sections in it
        viewer_client.get("/node/0")
    with django_assert_max_num_queries(8):
        viewer_client.get("/fragments/node/0/block-devices")


def test_behind_a_sub_path_the_page_is_as_whole(viewer_client: Client) -> None:
    plain = text_of(viewer_client, "/node/0")
    set_script_prefix("/site/clio/")
    try:
        assert text_of(viewer_client, "/node/0") == plain
    finally:
        clear_script_prefix()
    assert "Block devices" in plain
