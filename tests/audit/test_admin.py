"""The trail and the jobs in Django's admin site: read, searched, never written."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.audit.models import AuditEvent
from apps.common.time import utc_now
from apps.control.models import ControlJob, JobStatus
from apps.control.services.progress import Ending, job_claim, job_finish
from tests.accounts.people import person_make
from tests.control.kit import cluster_with_nodes, launch
from tests.pages.markup import Markup

pytestmark = pytest.mark.django_db
BACKEND = "apps.accounts.backends.PortalBackend"
EVENTS = "/admin/audit/auditevent/"
JOBS = "/admin/control/controljob/"
BATCHES = "/admin/control/jobbatch/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, BACKEND)
    return client


@pytest.fixture
def administrator() -> Client:
    return client_of(person_make(Role.ADMINISTRATOR))


@pytest.fixture
def job() -> ControlJob:
    """A job of node 2 that succeeded, and one of node 3 that is queued."""
    cluster_with_nodes()
    claimed = job_claim(launch(2, reason="disk swap").job.pk, holder="w", at=utc_now())
    assert claimed is not None
    ending = Ending(status=JobStatus.SUCCEEDED, code="done", outcome="It is down.")
    job_finish(claimed, ending, at=utc_now())
    launch(3, reason="kernel <b>update</b>")
    return claimed


def shown(client: Client, path: str) -> Markup:
    response = client.get(path)
    assert response.status_code == 200, path
    return Markup(response.content.decode())


def rows(client: Client, path: str) -> int:
    response: Any = client.get(path)
    assert response.status_code == 200, path
    return len(response.context["cl"].result_list)


@pytest.mark.parametrize("path", [EVENTS, JOBS, BATCHES])
@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.OPERATOR])
def test_the_site_is_for_administrators(path: str, role: Role | None) -> None:
    assert client_of(person_make(role)).get(path).status_code == 403


def test_events_are_searched_filtered_and_by_day(administrator: Client, job: ControlJob) -> None:
    assert rows(administrator, EVENTS) == 3
    assert rows(administrator, f"{EVENTS}?q=disk") == 2
    assert rows(administrator, f"{EVENTS}?outcome__exact=succeeded") == 1
    year = job.queued_at.year
    assert rows(administrator, f"{EVENTS}?at__year={year}") == 3
    assert rows(administrator, f"{EVENTS}?at__year={year - 1}") == 0


def test_jobs_are_searched_filtered_and_by_day(administrator: Client, job: ControlJob) -> None:
    assert rows(administrator, JOBS) == 2
    assert rows(administrator, f"{JOBS}?q=disk") == 1
    assert rows(administrator, f"{JOBS}?q=operator") == 2
    assert rows(administrator, f"{JOBS}?status__exact=queued") == 1
    assert rows(administrator, f"{JOBS}?queued_at__year={job.queued_at.year - 1}") == 0
    assert rows(administrator, BATCHES) == 0


def test_an_event_leads_to_its_node_and_its_job(administrator: Client, job: ControlJob) -> None:
    event = AuditEvent.objects.get(action="job.succeeded")
    for path in (EVENTS, f"{EVENTS}{event.pk}/change/"):
        links = shown(administrator, path).attributes("href")
        assert "/node/2" in links
        assert f"/admin/control/controljob/{job.pk}/change/" in links


def test_a_job_leads_to_its_node_and_shows_its_course(
    administrator: Client, job: ControlJob
) -> None:
    page = shown(administrator, f"{JOBS}{job.pk}/change/")
    assert {"/node/2", f"/jobs/{job.pk}"} <= set(page.attributes("href"))
    assert "It is down." in page.text
    assert "verifying" not in page.text
    assert "succeeded" in page.text


def test_a_link_to_the_person_where_people_are_in_the_site(
    administrator: Client, job: ControlJob
) -> None:
    from django.contrib import admin

    links = shown(administrator, JOBS).attributes("href")
    there = User in admin.site._registry
    assert (f"/admin/accounts/user/{job.requested_by_id}/change/" in links) is there


@pytest.mark.parametrize("where", [EVENTS, JOBS, BATCHES])
def test_nobody_writes_there(where: str, job: ControlJob) -> None:
    """Not even a superuser, to whom Django's own permissions give everything."""
    root = client_of(User.objects.create_superuser("root", password="correct horse battery staple"))
    key = AuditEvent.objects.first().pk if where == EVENTS else job.pk  # type: ignore[union-attr]
    assert root.get(f"{where}add/").status_code == 403
    if where != BATCHES:
        assert root.post(f"{where}{key}/change/", {"reason": "x"}).status_code == 403
        assert root.post(f"{where}{key}/delete/", {"post": "yes"}).status_code == 403
    root.post(where, {"action": "delete_selected", "_selected_action": [key], "post": "yes"})
    assert AuditEvent.objects.count() == 3
    assert ControlJob.objects.count() == 2
    assert not AuditEvent.objects.filter(reason="x").exists()


def test_every_edit_in_the_site_is_an_event() -> None:
    root = client_of(User.objects.create_superuser("root", password="correct horse battery staple"))
    response = root.post("/admin/auth/group/add/", {"name": "night shift"})
    assert response.status_code == 302
    group = Group.objects.get(name="night shift")
    root.post(f"/admin/auth/group/{group.pk}/change/", {"name": "day shift"})
    root.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
    assert not Group.objects.filter(pk=group.pk).exists()
    events = AuditEvent.objects.order_by("number")
    assert [
        (event.action, event.actor_name, event.target_kind, event.target_id, event.target_name)
        for event in events
    ] == [
        ("admin.add", "root", "group", str(group.pk), "night shift"),
        ("admin.change", "root", "group", str(group.pk), "day shift"),
        ("admin.delete", "root", "group", str(group.pk), "day shift"),
    ]
    added, changed, deleted = events
    assert added.after == {"name": "night shift"}
    assert (changed.before, changed.after) == ({"name": "night shift"}, {"name": "day shift"})
    assert (deleted.before or {})["name"] == "day shift"


def test_what_is_deleted_in_a_lump_is_an_event_each() -> None:
    root = client_of(User.objects.create_superuser("root", password="correct horse battery staple"))
    groups = [Group.objects.create(name=name) for name in ("a", "b")]
    root.post(
        "/admin/auth/group/",
        {
            "action": "delete_selected",
            "_selected_action": [group.pk for group in groups],
            "post": "yes",
        },
    )
    assert not Group.objects.filter(name__in=["a", "b"]).exists()
    gone = AuditEvent.objects.filter(action="admin.delete").values_list("target_name", flat=True)
    assert set(gone) == {"a", "b"}
