"""`/api/history/marks`: jobs, maintenance and states on the time axis of the charts."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.audit.services import Actor
from apps.cluster.models import Cluster
from apps.control import marks
from apps.control.models import ControlJob, JobStatus
from apps.nodes.maintenance import maintenance_begin, maintenance_end
from apps.nodes.models import Node, StateChange
from tests.api.conftest import Get
from tests.factories import AT, cluster_of

pytestmark = pytest.mark.django_db

PATH = "/api/history/marks?from=-1h"
ALICE = Actor(1, "alice")


@pytest.fixture(autouse=True)
def cluster(db: None) -> Cluster:
    return cluster_of(4)


def ago(minutes: float) -> datetime:
    return AT - timedelta(minutes=minutes)


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def node(node_id: int) -> Node:
    found: Node = Node.objects.get(node_id=node_id)
    return found


def job(node_id: int, *, started: float, took_min: float | None = 1, **fields: Any) -> ControlJob:
    on = node(node_id)
    start = ago(started)
    values: dict[str, Any] = {
        "action": "restart",
        "status": JobStatus.SUCCEEDED,
        "requested_by_name": "alice",
        "reason": "It leaks memory.",
        "outcome": "It answers as a new process.",
        "queued_at": start - timedelta(seconds=1),
        "started_at": start,
        "finished_at": None if took_min is None else start + timedelta(minutes=took_min),
    }
    made: ControlJob = ControlJob.objects.create(
        cluster=on.cluster, node=on, node_number=node_id, node_name=on.address, **values | fields
    )
    return made


def change(node_id: int, *states: str, minutes: Sequence[float]) -> None:
    before = "alive"
    for state, back in zip(states, minutes, strict=True):
        StateChange.objects.create(
            node=node(node_id), at=ago(back), from_state=before, to_state=state, reason="So it is."
        )
        before = state


def titles(body: Any) -> list[tuple[int, str]]:
    return [(mark["node_id"], mark["title"]) for mark in body["marks"]]


def test_a_job_says_who_what_why_and_what_came_out(get: Get) -> None:
    made = job(2, started=20)
    body = get(PATH).json()
    assert (body["from"], body["to"], body["left_out"]) == (iso(ago(60)), iso(AT), 0)
    assert body["marks"] == [
        {
            "kind": "job",
            "at": iso(ago(20)),
            "until": iso(ago(19)),
            "node_id": 2,
            "node": "node2",
            "action": "restart",
            "title": "Restart",
            "status": "succeeded",
            "by": "alice",
            "reason": "It leaks memory.",
            "outcome": "It answers as a new process.",
            "job": made.pk,
            "url": f"/jobs/{made.pk}",
        }
    ]


def test_the_page_of_a_job_is_where_its_mark_leads(get: Get, viewer: User) -> None:
    job(2, started=20)
    (mark,) = get(PATH).json()["marks"]
    browser = Client()
    browser.force_login(viewer, "apps.accounts.backends.PortalBackend")
    assert "It leaks memory." in browser.get(mark["url"]).content.decode()


def test_a_job_that_runs_goes_on(get: Get) -> None:
    job(0, started=2, took_min=None, status=JobStatus.VERIFYING, outcome="")
    job(1, started=1, took_min=None, status=JobStatus.QUEUED, started_at=None, outcome="")
    found = get(PATH).json()["marks"]
    assert [(mark["status"], mark["until"]) for mark in found] == [
        ("running", None),
        ("queued", None),
    ]


def test_what_touches_the_range_is_in_it(get: Get) -> None:
    job(0, started=90, took_min=1)
    job(1, started=61, took_min=5)
    job(2, started=10, took_min=None, status=JobStatus.RUNNING)
    path = "/api/history/marks?from={}&to={}"
    assert [t[0] for t in titles(get(PATH).json())] == [1, 2]
    assert [t[0] for t in titles(get(path.format("-2h", "-80m")).json())] == [0]
    assert titles(get(path.format("-50m", "-20m")).json()) == []


def test_only_the_nodes_asked_for(get: Get) -> None:
    for node_id in range(4):
        job(node_id, started=10 + node_id)
        change(node_id, "down", minutes=[9])
        maintenance_begin(node(node_id), actor=ALICE, reason="disks", until=None, at=ago(8))
    asked = get(f"{PATH}&nodes=1,3").json()["marks"]
    assert {mark["node_id"] for mark in asked} == {1, 3}
    assert len(asked) == 6
    assert len(get(PATH).json()["marks"]) == 12
    assert len(get(f"{PATH}&nodes=all").json()["marks"]) == 12


def test_only_the_kinds_asked_for(get: Get) -> None:
    job(0, started=10)
    change(0, "down", minutes=[9])
    maintenance_begin(node(0), actor=ALICE, reason="disks", until=None, at=ago(8))
    for kinds in ("job", "maintenance", "state", "job,state"):
        found = {mark["kind"] for mark in get(f"{PATH}&kinds={kinds}").json()["marks"]}
        assert found == set(kinds.split(","))


def test_maintenance_begins_changes_and_ends(get: Get) -> None:
    maintenance_begin(node(1), actor=ALICE, reason="disks", until=None, at=ago(50))
    maintenance_begin(node(1), actor=Actor(2, "bob"), reason="and RAM", until=AT, at=ago(40))
    maintenance_end(node(1), actor=ALICE, at=ago(30))
    found = get(f"{PATH}&nodes=1").json()["marks"]
    assert [(m["title"], m["by"], m["reason"], m["status"]) for m in found] == [
        ("Maintenance begun", "alice", "disks", "over"),
        ("Maintenance changed", "bob", "and RAM", "over"),
        ("Maintenance ended", "alice", "and RAM", "over"),
    ]
    assert [(m["at"], m["until"]) for m in found] == [
        (iso(ago(50)), iso(ago(40))),
        (iso(ago(40)), iso(ago(30))),
        (iso(ago(30)), iso(ago(30))),
    ]


def test_maintenance_that_began_before_the_range_and_goes_on(get: Get) -> None:
    maintenance_begin(node(1), actor=ALICE, reason="disks", until=None, at=ago(600))
    maintenance_begin(node(2), actor=ALICE, reason="until then", until=ago(30), at=ago(500))
    maintenance_begin(node(3), actor=ALICE, reason="long over", until=ago(90), at=ago(500))
    found = get(PATH).json()["marks"]
    assert [(m["node_id"], m["status"], m["until"]) for m in found] == [
        (1, "active", None),
        (2, "over", iso(ago(30))),
    ]


def test_a_node_that_moved_in_the_host_list_keeps_its_marks(get: Get) -> None:
    job(3, started=10)
    maintenance_begin(node(3), actor=ALICE, reason="disks", until=None, at=ago(8))
    Node.objects.filter(node_id=3).update(node_id=7)
    assert titles(get(f"{PATH}&nodes=7").json()) == [(7, "Restart"), (7, "Maintenance begun")]


def test_a_node_that_left_is_named_without_an_id(get: Get) -> None:
    job(3, started=10)
    Node.objects.filter(node_id=3).update(node_id=None, retired_at=AT)
    (mark,) = get(PATH).json()["marks"]
    assert (mark["node_id"], mark["node"]) == (None, "node3:9413")


def test_a_node_goes_down_and_comes_back_by_way_of_doubt(get: Get) -> None:
    change(0, "suspect", "down", "suspect", "alive", minutes=[30, 29, 20, 19])
    change(1, "suspect", "alive", minutes=[30, 29])
    change(2, "hung", "down", "alive", minutes=[15, 10, 5])
    found = get(f"{PATH}&kinds=state").json()["marks"]
    assert [(m["node_id"], m["title"], m["status"], m["reason"]) for m in found] == [
        (0, "went down", "down", "So it is."),
        (0, "is back", "alive", "So it is."),
        (2, "hangs", "hung", "So it is."),
        (2, "went down", "down", "So it is."),
        (2, "is back", "alive", "So it is."),
    ]


def test_of_very_many_the_newest_are_listed(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MOST_MARKS", 3)
    for number in range(5):
        job(number % 4, started=10 - number)
    change(0, *["down", "alive"] * 4, minutes=[20 - step for step in range(8)])
    body = get(PATH).json()
    assert body["left_out"] == 2 + 5
    assert [mark["at"] for mark in body["marks"] if mark["kind"] == "job"] == [
        iso(ago(8)),
        iso(ago(7)),
        iso(ago(6)),
    ]
    assert len(body["marks"]) == 6


def test_as_csv_no_word_becomes_a_formula(client: Client) -> None:
    job(1, started=10, reason="=HYPERLINK(1)")
    response = client.get(f"{PATH}&format=csv")
    assert response["Content-Type"].startswith("text/csv")
    text = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    (line,) = csv.DictReader(io.StringIO(text))
    assert (line["title"], line["by"], line["status"]) == ("Restart", "alice", "succeeded")
    assert line["reason"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("kinds=job,party", 400, "bad_parameter"),
        ("nodes=99", 404, "node_unknown"),
        ("to=yesterday", 400, "bad_time"),
    ],
)
def test_what_is_wrong_is_said(get: Get, query: str, status: int, code: str) -> None:
    response = get(f"{PATH}&{query}")
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_the_number_of_queries_does_not_grow(get: Get, django_assert_max_num_queries: Any) -> None:
    for node_id in range(4):
        for number in range(5):
            job(node_id, started=10 + number)
        change(node_id, "down", "alive", minutes=[5, 4])
    with django_assert_max_num_queries(14):
        assert len(get(PATH).json()["marks"]) == 28
