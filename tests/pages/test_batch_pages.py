"""The pages of actions on several nodes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.roles import Role
from apps.control.models import BatchStatus, ControlJob, JobBatch
from tests.control.kit import cluster_with_nodes
from tests.pages.markup import Markup
from tests.pages.test_control_pages import client_of

pytestmark = pytest.mark.django_db

FORM = {
    "nodes": "1-3",
    "action": "restart",
    "size": "1",
    "reason": "kernel update",
    "stop_on_failure": "yes",
}


@pytest.fixture(autouse=True)
def _access(settings: Any) -> None:
    settings.PORTAL_CLIO_RUN = "/opt/clio/bin/clio_run"
    settings.PORTAL_SSH_USER = "clio"
    cluster_with_nodes(4)


@pytest.fixture
def operator_client() -> Client:
    return client_of(Role.OPERATOR)


def send(client: Client, **changes: str) -> Any:
    return client.post("/batches/new", FORM | {"step": "launch"} | changes)


def text_of(response: Any) -> str:
    return Markup(response.content.decode()).text


def test_a_look_does_nothing_and_names_nodes_and_commands(operator_client: Client) -> None:
    response = send(operator_client, step="review")
    shown = Markup(response.content.decode())
    assert response.status_code == 200
    assert {"/node/1", "/node/2", "/node/3"} <= set(shown.attributes("href"))
    assert "/node/0" not in shown.attributes("href")
    assert "/opt/clio/bin/clio_run stop" in shown.text
    assert shown.forbidden == []
    assert not JobBatch.objects.exists()


def test_a_launch_begins_with_as_many_as_asked(operator_client: Client) -> None:
    response = send(operator_client, size="2")
    batch = JobBatch.objects.get()
    assert response.headers["Location"] == f"/batches/{batch.pk}"
    assert list(ControlJob.objects.order_by("pk").values_list("node_number", flat=True)) == [1, 2]
    shown = Markup(operator_client.get(f"/batches/{batch.pk}").content.decode())
    assert "0 of 3 done, 2 at a time" in shown.text
    assert shown.forbidden == []


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"nodes": ""}, 400, "none are named"),
        ({"nodes": "9-3"}, 400, "9"),
        ({"nodes": "77"}, 400, "names 0 nodes"),
        ({"size": "many"}, 400, "whole number"),
        ({"action": "explode"}, 400, "no action"),
        ({"reason": " "}, 400, "Say why"),
        ({"nodes": "0-3", "size": "0"}, 409, "go down at the same time"),
    ],
)
def test_what_is_wrong_is_said_in_place(
    operator_client: Client, changes: dict[str, str], status: int, words: str
) -> None:
    response = send(operator_client, **changes)
    assert response.status_code == status
    assert words in text_of(response)
    assert not JobBatch.objects.exists()


def test_pause_resume_cancel_and_too_late(operator_client: Client) -> None:
    send(operator_client)
    batch = JobBatch.objects.get()
    path = f"/batches/{batch.pk}/"
    for change, status in (
        ("pause", BatchStatus.PAUSED),
        ("resume", BatchStatus.RUNNING),
        ("cancel", BatchStatus.CANCELED),
    ):
        assert operator_client.post(path + change).status_code == 302
        batch.refresh_from_db()
        assert batch.status == status
    for change in ("cancel", "explode"):
        assert operator_client.post(path + change).status_code == 409


def test_a_viewer_only_looks(operator_client: Client) -> None:
    send(operator_client)
    batch = JobBatch.objects.get()
    viewer = client_of(Role.VIEWER)
    assert viewer.get("/batches").status_code == 200
    assert viewer.get("/batches/new").status_code == 403
    assert send(viewer).status_code == 403
    assert viewer.post(f"/batches/{batch.pk}/cancel").status_code == 403
    assert "Pause" not in text_of(viewer.get(f"/batches/{batch.pk}"))


def test_a_post_must_come_from_the_portals_own_page() -> None:
    client = client_of(Role.OPERATOR, enforce_csrf_checks=True)
    assert send(client).status_code == 403
    assert not JobBatch.objects.exists()


def test_the_fragment_sends_nothing_when_nothing_is_new(operator_client: Client) -> None:
    send(operator_client)
    path = f"/fragments/batches/{JobBatch.objects.get().pk}"
    cursor = Markup(operator_client.get(path).content.decode()).attributes("data-cursor")[0]
    assert operator_client.get(f"{path}?cursor={cursor}").status_code == 204
