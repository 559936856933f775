"""Keeping a node out of service on the pages, and where it then shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.roles import Role
from apps.audit.models import AuditEvent
from apps.nodes.models import Maintenance
from tests.control.kit import cluster_with_nodes, launch
from tests.pages.markup import Markup
from tests.pages.test_control_pages import EVIL, client_of

pytestmark = pytest.mark.django_db
FORM = "/node/2/maintenance"
SHOWN_ON = ("/", "/node/2", "/node/2/actions", "/node/2/actions/restart", "/jobs/{job}")


@pytest.fixture(autouse=True)
def _access(settings: Any) -> None:
    settings.PORTAL_CLIO_RUN = "/opt/clio/bin/clio_run"
    cluster_with_nodes(4)


@pytest.fixture
def operator_client() -> Client:
    return client_of(Role.OPERATOR)


def page(client: Client, path: str) -> Markup:
    response = client.get(path)
    assert response.status_code == 200, path
    return Markup(response.content.decode())


def begin(client: Client, **fields: str) -> Any:
    return client.post(FORM, {"reason": "disk swap", "length": "open", **fields})


def test_it_is_shown_wherever_the_node_is(operator_client: Client) -> None:
    job = launch(2).job
    assert begin(operator_client).status_code == 302
    for client in (operator_client, client_of(Role.VIEWER)):
        for path in SHOWN_ON:
            if client is not operator_client and "actions" in path:
                continue
            shown = page(client, path.format(job=job.pk)).text
            assert "disk swap" in shown, path
            assert "operator" in shown, path
    nodes = operator_client.get("/api/topology").json()["nodes"]
    assert [node["maintenance"] and node["maintenance"]["reason"] for node in nodes] == [
        None,
        None,
        "disk swap",
        None,
    ]
    assert "disk swap" not in page(operator_client, "/node/1").text
    review = {"nodes": "1-2", "action": "restart", "size": "1", "reason": "x", "step": "review"}
    assert "maintenance" in operator_client.post("/batches/new", review).content.decode()


def test_lists_of_jobs_and_batches_mark_the_nodes(operator_client: Client) -> None:
    fresh = {"nodes": "1-2", "action": "restart", "size": "1", "reason": "kernel update"}
    batch = operator_client.post("/batches/new", fresh | {"step": "launch"})
    assert batch.status_code == 302
    lists = ("/jobs", batch["Location"])
    assert [page(operator_client, path).text.count("maintenance") for path in lists] == [0, 0]
    before = _cursor(operator_client)
    begin(operator_client)
    assert _cursor(operator_client) != before
    launch(2)
    assert [page(operator_client, path).text.count("maintenance") for path in lists] == [1, 1]


def _cursor(client: Client) -> str:
    return str(client.get("/jobs").context["cursor"])


@pytest.mark.parametrize(("length", "hours"), [("1", 1), ("4", 4), ("24", 24), ("168", 168)])
def test_it_ends_after_the_length_that_was_chosen(
    operator_client: Client, length: str, hours: int
) -> None:
    before = timezone.now()
    begin(operator_client, length=length)
    until = Maintenance.objects.get().until
    assert until is not None
    assert before <= until - timedelta(hours=hours) <= timezone.now()


def test_it_ends_at_the_time_that_was_written(operator_client: Client) -> None:
    begin(operator_client, length="until", until="2099-01-02T03:04")
    assert f"{Maintenance.objects.get().until:%Y-%m-%d %H:%M}" == "2099-01-02 03:04"
    assert "2099-01-02T03:04" in page(operator_client, FORM).attributes("value")


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": " "},
        {"length": "until", "until": ""},
        {"length": "until", "until": "2001-01-01T00:00"},
        {"length": "until", "until": "nonsense"},
    ],
)
def test_what_makes_no_sense_is_said_and_kept_in_the_form(
    operator_client: Client, fields: dict[str, str]
) -> None:
    response = begin(operator_client, **fields)
    assert response.status_code == 400
    shown = Markup(response.content.decode())
    assert shown.forbidden == []
    assert not Maintenance.objects.exists()
    assert fields.get("until", "") in shown.attributes("value")


def test_it_is_changed_and_ended_on_the_record(operator_client: Client) -> None:
    begin(operator_client)
    begin(operator_client, reason="still the disk")
    assert operator_client.post(f"{FORM}/end").status_code == 302
    assert operator_client.post(f"{FORM}/end").status_code == 302
    assert not Maintenance.objects.exists()
    events = AuditEvent.objects.order_by("number").values_list("action", flat=True)
    assert list(events) == [
        "node.maintenance_begin",
        "node.maintenance_change",
        "node.maintenance_end",
    ]


def test_viewers_see_no_form() -> None:
    viewer = client_of(Role.VIEWER)
    assert viewer.get(FORM).status_code == 403
    assert begin(viewer).status_code == 403
    assert viewer.post(f"{FORM}/end").status_code == 403
    assert FORM not in page(viewer, "/fragments/node/2/control").attributes("href")
    assert FORM in page(client_of(Role.OPERATOR), "/fragments/node/2/control").attributes("href")


def test_hostile_text_stays_text(operator_client: Client) -> None:
    begin(operator_client, reason=EVIL[:2000])
    for path in ("/", "/node/2", FORM, "/node/2/actions"):
        shown = page(operator_client, path)
        assert shown.forbidden == []
        assert not [tag for tag, _ in shown.elements if tag == "img"]


# --- what was done to a node, on its card


def test_the_card_says_what_is_being_done_and_why(operator_client: Client) -> None:
    job = launch(2, "restart", reason="kernel update").job
    shown = page(operator_client, "/")
    assert "kernel update" in shown.text
    assert "restart queued" in shown.text
    assert f"/jobs/{job.pk}" in shown.attributes("href")
    node = operator_client.get("/api/topology").json()["nodes"][2]
    assert (node["last_action"]["job"], node["last_action"]["reason"]) == (job.pk, "kernel update")
    operator_client.post(f"/jobs/{job.pk}/cancel")
    assert "restart canceled" in page(operator_client, "/").text


def test_a_mere_question_is_not_on_the_card(operator_client: Client) -> None:
    launch(2, "status", reason="just looking")
    assert "just looking" not in page(operator_client, "/").text
