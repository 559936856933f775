"""`/api/audit`: the trail for scripts."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiToken
from apps.accounts.roles import Role
from apps.audit.models import AuditEvent, Outcome
from apps.audit.services import Actor, AuditTarget, audit_record
from apps.common.request_context import RequestContext
from tests.accounts.people import person_make
from tests.api.schema import shape_check

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def script(role: Role | None) -> Client:
    """With a token that was made without an event: these tests count them."""
    _, secret = ApiToken.objects.create(
        user=person_make(role), name="tests", scope=ApiToken.Scope.READ
    )
    return Client(headers={"authorization": f"Token {secret}"})


@pytest.fixture
def client() -> Client:
    return script(Role.ADMINISTRATOR)


@pytest.fixture
def trail() -> None:
    """Six events, an hour apart; the numbers of each are in its reason."""
    for step, (actor, action, node, outcome, address) in enumerate(
        (
            ("ann", "job.launch", "1", Outcome.PENDING, "10.0.0.1"),
            ("ann", "job.succeeded", "1", Outcome.SUCCEEDED, "10.0.0.1"),
            ("bob", "job.launch", "2", Outcome.PENDING, "10.0.0.2"),
            ("bob", "job.failed", "2", Outcome.FAILED, "10.0.0.2"),
            ("eve", "auth.sign_in", "", Outcome.DENIED, "10.0.0.3"),
            ("=cmd()", "access.set", "", Outcome.SUCCEEDED, "10.0.0.1"),
        )
    ):
        audit_record(
            action=action,
            actor=Actor(step, actor),
            at=AT + timedelta(hours=step),
            outcome=outcome,
            target=AuditTarget("node", node, f"node{node}:9413") if node else AuditTarget(),
            reason=f"reason {step + 1}",
            after={"password": "sesame", "step": step},
            job_id="12" if node == "1" else "",
            context=RequestContext(f"request-{step}", address, "curl/8"),
        )


@pytest.mark.usefixtures("trail")
@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [6, 5, 4, 3, 2, 1]),
        ("?actor=AN", [2, 1]),
        ("?action=job", [4, 3, 2, 1]),
        ("?action=job.launch", [3, 1]),
        ("?action=jo", []),
        ("?target=node2", [4, 3]),
        ("?target=2", [4, 3]),
        ("?outcome=denied", [5]),
        ("?address=10.0.0.1", [6, 2, 1]),
        ("?job=12", [2, 1]),
        ("?text=reason%204", [4]),
        ("?since=2026-03-01T15:00:00Z&until=2026-03-01T17:00:00Z", [5, 4]),
        ("?actor=bob&outcome=failed", [4]),
    ],
)
def test_each_filter_leaves_what_it_says(client: Client, query: str, numbers: list[int]) -> None:
    response: Any = client.get(f"/api/audit/{query}")
    assert response.status_code == 200
    body = response.json()
    assert [event["number"] for event in body["events"]] == numbers
    assert body["count"] == len(numbers)
    shape_check("/api/audit", 200, body)


@pytest.mark.usefixtures("trail")
def test_pages_follow_each_other_without_gap(client: Client) -> None:
    found, path = [], "/api/audit?limit=4&action=job"
    while path:
        body = client.get(path).json()
        found.append([event["number"] for event in body["events"]])
        path = body["next"]
    assert found == [[4, 3, 2, 1]]
    body = client.get("/api/audit?limit=4").json()
    assert client.get(body["next"]).json()["next"] is None
    assert [event["number"] for event in client.get(body["next"]).json()["events"]] == [2, 1]


@pytest.mark.usefixtures("trail")
def test_oldest_first_and_only_what_is_new(client: Client) -> None:
    found, path = [], "/api/audit?order=number&limit=4"
    while path:
        body = client.get(path).json()
        found.append([event["number"] for event in body["events"]])
        path = body["next"]
    assert found == [[1, 2, 3, 4], [5, 6]]
    body = client.get("/api/audit?after=4").json()
    assert [event["number"] for event in body["events"]] == [6, 5]
    assert client.get("/api/audit?order=at").status_code == 400


@pytest.mark.usefixtures("trail")
def test_one_event_is_whole_and_without_secrets(client: Client) -> None:
    body = client.get("/api/audit/4").json()
    assert (body["actor_name"], body["request_id"], body["user_agent"]) == (
        "bob",
        "request-3",
        "curl/8",
    )
    assert body["after"] == {"password": "••••••", "step": 3}
    assert len(body["hash"]) == 64
    shape_check("/api/audit/{number}", 200, body)


@pytest.mark.usefixtures("trail")
@pytest.mark.parametrize("number", ["7", "0", "-1", "x", "9" * 30])
def test_an_unknown_event_is_404(client: Client, number: str) -> None:
    response: Any = client.get(f"/api/audit/{number}")
    assert (response.status_code, response.json()["code"]) == (404, "event_unknown")


@pytest.mark.usefixtures("trail")
@pytest.mark.parametrize("where", ["", "/export.csv", "/export.json"])
@pytest.mark.parametrize("query", ["?outcome=splendid", "?since=nonsense", "?until=2026-13-01"])
def test_a_filter_that_makes_no_sense_is_400(client: Client, where: str, query: str) -> None:
    assert client.get(f"/api/audit{where}{query}").status_code == 400


@pytest.mark.usefixtures("trail")
def test_exports_hold_what_the_filter_leaves(client: Client) -> None:
    response: Any = client.get("/api/audit/export.csv?address=10.0.0.1")
    rows = list(csv.DictReader(response.getvalue().decode().splitlines()))
    assert [row["number"] for row in rows] == ["6", "2", "1"]
    assert rows[0]["actor_name"] == "'=cmd()"  # a spreadsheet must not run it
    assert "audit-" in response.headers["Content-Disposition"]
    response = client.get("/api/audit/export.json?action=job")
    stored = json.loads(response.getvalue())
    assert [event["number"] for event in stored] == [4, 3, 2, 1]
    assert stored[0]["hash"] == AuditEvent.objects.get(number=4).hash


@pytest.mark.usefixtures("trail")
def test_an_export_of_nothing_is_still_a_file(client: Client) -> None:
    assert json.loads(client.get("/api/audit/export.json?actor=nobody").getvalue()) == []
    lines = client.get("/api/audit/export.csv?actor=nobody").getvalue().decode().splitlines()
    assert len(lines) == 1


@pytest.mark.parametrize("path", ["", "/1", "/export.csv", "/export.json"])
def test_only_those_who_may(path: str) -> None:
    audit_record(action="x", actor=Actor.portal(), at=AT)
    assert Client().get(f"/api/audit{path}").status_code == 401
    for role in (None, Role.VIEWER, Role.OPERATOR):
        assert script(role).get(f"/api/audit{path}").status_code == 403
    administrator = script(Role.ADMINISTRATOR)
    assert administrator.get(f"/api/audit{path}").status_code == 200
    for method in ("post", "put", "patch", "delete"):
        assert getattr(administrator, method)(f"/api/audit{path}").status_code in (403, 405)


@pytest.mark.usefixtures("trail")
@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("2026-03-01T15:00:00+16:00", 200),  # PostgreSQL takes no zone of 16 hours
        ("2000-01-01T00:00:00-23:59", 200),
        ("0001-01-01T00:00:00+16:00", 400),  # before the year 1
    ],
)
def test_a_time_may_be_of_any_zone(since: str, status: int, client: Client) -> None:
    answer = client.get("/api/audit", {"since": since})
    assert answer.status_code == status
    if status == 200:
        assert len(answer.json()["events"]) == 6
