"""The trail and the jobs in Django's admin site: read, searched, never written."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.forms import modelform_factory
from django.test import Client, RequestFactory

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.accounts.sessions import FRESH
from apps.audit.admin_edits import RecordsEdits
from apps.audit.models import AuditEvent
from apps.common.time import utc_now
from apps.control.models import ControlJob, JobStatus
from apps.control.services.progress import Ending, job_claim, job_finish
from clio_portal.admin import PortalAdminSite
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
    session = client.session
    session[FRESH] = int(utc_now().timestamp())  # the password was given just now
    session.save()
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


class Desk:
    """The site's page of a model whose own page tells nobody of its edits."""

    def __init__(self) -> None:
        site = PortalAdminSite(name="plain")
        site.register(Group)
        self.page: Any = site.get_model_admin(Group)
        self.request = RequestFactory().post("/admin/")
        self.request.user = person_make(Role.ADMINISTRATOR)

    def save(self, group: Group, *, name: str) -> None:
        known = group.pk is not None
        form: Any = modelform_factory(Group, fields=["name"])({"name": name}, instance=group)
        assert form.is_valid()
        self.page.save_model(self.request, form.save(commit=False), form, change=known)


def test_every_edit_in_the_site_is_an_event() -> None:
    desk = Desk()
    group = Group()
    desk.save(group, name="night shift")
    desk.save(Group.objects.get(pk=group.pk), name="day shift")
    kept = Group.objects.get(pk=group.pk)
    desk.page.delete_model(desk.request, kept)
    assert not Group.objects.filter(name="day shift").exists()
    added, changed, deleted = AuditEvent.objects.order_by("number")
    assert (added.action, added.actor_name) == ("admin.add", "administrator")
    assert (added.target_kind, added.target_name) == ("group", "night shift")
    assert added.after == {"name": "night shift"}
    assert (changed.action, changed.target_id) == ("admin.change", str(group.pk))
    assert (changed.before, changed.after) == ({"name": "night shift"}, {"name": "day shift"})
    assert (deleted.action, (deleted.before or {})["name"]) == ("admin.delete", "day shift")


def test_what_is_deleted_in_a_lump_is_an_event_each() -> None:
    desk = Desk()
    for name in ("a", "b"):
        Group.objects.create(name=name)
    desk.page.delete_queryset(desk.request, Group.objects.filter(name__in=["a", "b"]))
    assert not Group.objects.filter(name__in=["a", "b"]).exists()
    gone = AuditEvent.objects.filter(action="admin.delete").values_list("target_name", flat=True)
    assert set(gone) == {"a", "b"}


def test_every_page_of_the_site_that_edits_records_it() -> None:
    for model, page in admin.site._registry.items():
        assert isinstance(page, RecordsEdits), model
