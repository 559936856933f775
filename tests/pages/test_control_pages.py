"""The pages of control: who may press what, and what a press leaves behind."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.audit.models import AuditEvent
from apps.control.models import ControlJob, JobCheck, JobLine, JobStatus, JobTransition
from tests.accounts.people import person_make, signed_in
from tests.control.kit import cluster_with_nodes, launch
from tests.pages.markup import Markup

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'\u202e" + "N" * 3_000
ORDER = {"reason": "kernel update", "confirm": "yes"}
PATHS = (
    "/jobs",
    "/jobs/{job}",
    "/node/2/actions",
    "/node/2/actions/restart",
    "/fragments/node/2/control",
    "/fragments/jobs",
    "/fragments/jobs/{job}",
    "/fragments/jobs/{job}/output",
)


@pytest.fixture(autouse=True)
def _access(settings: Any) -> None:
    """A way to the nodes: as an installation has it that sets nothing special."""
    settings.PORTAL_CLIO_RUN = "/opt/clio/bin/clio_run"
    settings.PORTAL_SSH_USER = "clio"
    cluster_with_nodes(4)


def client_of(role: Role, **more: Any) -> Client:
    found = User.objects.filter(username=role.value).first()
    return signed_in(found or person_make(role), **more)


@pytest.fixture
def operator_client() -> Client:
    return client_of(Role.OPERATOR)


def page(client: Client, path: str) -> Markup:
    return Markup(client.get(path).content.decode())


def post(client: Client, path: str, **fields: str) -> Any:
    return client.post(path, fields)


# --- who may


def test_a_viewer_sees_jobs_but_no_buttons() -> None:
    job = launch(2).job
    viewer = client_of(Role.VIEWER)
    assert viewer.get("/jobs").status_code == 200
    assert "Cancel this job" not in page(viewer, f"/jobs/{job.pk}").text
    panel = page(viewer, "/fragments/node/2/control")
    assert f"job {job.pk}" in panel.text
    assert not [url for url in panel.attributes("href") if "/actions/" in url]
    for path in ("/node/2/actions", "/node/2/actions/restart"):
        assert viewer.get(path).status_code == 403
    assert post(viewer, "/node/3/actions/restart", **ORDER).status_code == 403
    assert post(viewer, f"/jobs/{job.pk}/cancel").status_code == 403
    assert ControlJob.objects.count() == 1


def test_an_operator_gets_the_buttons(operator_client: Client) -> None:
    hrefs = page(operator_client, "/fragments/node/2/control").attributes("href")
    actions = [url for url in hrefs if "/actions/" in url]
    assert actions == [
        f"/node/2/actions/{name}" for name in ("shutdown", "restart", "start", "status")
    ]


def test_the_node_page_holds_a_place_for_the_panel(operator_client: Client) -> None:
    assert "/fragments/node/2/control" in page(operator_client, "/node/2").attributes("hx-get")


@pytest.mark.parametrize("path", ["/node/2/actions/restart", "/jobs/{job}/cancel"])
def test_a_post_must_come_from_the_portals_own_page(path: str) -> None:
    job = launch(3).job
    client = client_of(Role.OPERATOR, enforce_csrf_checks=True)
    assert client.post(path.format(job=job.pk), ORDER).status_code == 403
    assert list(ControlJob.objects.values_list("status", flat=True)) == [JobStatus.QUEUED]


def test_read_only_offers_nothing(operator_client: Client, settings: Any) -> None:
    settings.PORTAL_READ_ONLY = True
    assert "read-only" in page(operator_client, "/fragments/node/2/control").text
    assert not [
        url
        for url in page(operator_client, "/fragments/node/2/control").attributes("href")
        if "/actions/" in url
    ]
    assert post(operator_client, "/node/2/actions/restart", **ORDER).status_code == 403
    assert not ControlJob.objects.exists()


# --- asking


def test_the_page_names_the_node_its_state_and_what_would_be_run(operator_client: Client) -> None:
    events = AuditEvent.objects.count()
    shown = page(operator_client, "/node/2/actions/restart")
    assert "alive" in shown.text
    assert "/opt/clio/bin/clio_run stop" in shown.text
    assert "/opt/clio/bin/clio_run start" in shown.text
    assert "clio" in shown.text
    assert not ControlJob.objects.exists()
    assert AuditEvent.objects.count() == events


def test_without_a_way_to_the_node_the_page_says_so(operator_client: Client, settings: Any) -> None:
    settings.PORTAL_ACCESS_METHOD = "local"  # but the nodes are other machines
    response = operator_client.get("/node/2/actions/restart")
    assert response.status_code == 200
    assert Markup(response.content.decode()).with_class("problem")
    leader = page(operator_client, "/node/0/actions/restart")
    assert "leads the cluster" in leader.text
    assert "confirm" in leader.attributes("name")


def test_the_leader_needs_a_second_word(operator_client: Client) -> None:
    response = post(operator_client, "/node/0/actions/shutdown", reason="kernel update")
    shown = Markup(response.content.decode())
    assert response.status_code == 409
    assert "leads the cluster" in shown.text
    assert "kernel update" in shown.text, "what was typed stays"
    assert not ControlJob.objects.exists()
    confirmed = post(operator_client, "/node/0/actions/shutdown", **ORDER)
    assert confirmed.status_code == 302
    assert "leads the cluster" in ControlJob.objects.get().warnings[0]


def test_a_reason_is_asked_for(operator_client: Client) -> None:
    response = post(operator_client, "/node/2/actions/restart", reason="  ", confirm="yes")
    assert response.status_code == 400
    assert "Say why" in Markup(response.content.decode()).text
    assert not ControlJob.objects.exists()


def test_an_unknown_action_or_node_is_named(operator_client: Client) -> None:
    assert operator_client.get("/node/2/actions/explode").status_code == 400
    assert operator_client.get("/node/99/actions/restart").status_code == 404
    assert operator_client.get("/jobs/99999999999999999999").status_code == 404


# --- launching and canceling


def test_a_launch_leaves_a_job_and_an_event(operator_client: Client) -> None:
    response = post(operator_client, "/node/2/actions/restart", **ORDER)
    job = ControlJob.objects.get()
    assert response.headers["Location"] == f"/jobs/{job.pk}"
    assert (job.action, job.node_number, job.reason) == ("restart", 2, "kernel update")
    event = AuditEvent.objects.get(action="job.launch")
    assert event.actor_name == job.requested_by_name == "operator"
    assert event.reason == "kernel update"
    assert event.address == job.address == "127.0.0.1"


def test_a_form_that_is_sent_twice_is_one_order(operator_client: Client) -> None:
    key = "0123456789abcdef" * 2
    first = post(operator_client, "/node/2/actions/restart", key=key, **ORDER)
    second = post(operator_client, "/node/2/actions/restart", key=key, **ORDER)
    assert first.headers["Location"] == second.headers["Location"]
    assert ControlJob.objects.count() == 1


def test_a_busy_node_names_the_job_in_the_way(operator_client: Client) -> None:
    busy = launch(2).job
    response = post(operator_client, "/node/2/actions/restart", **ORDER)
    shown = Markup(response.content.decode())
    assert response.status_code == 409
    assert f"/jobs/{busy.pk}" in shown.attributes("href")
    assert "is busy" in shown.text
    assert ControlJob.objects.count() == 1


def test_cancel_and_cancel_again(operator_client: Client) -> None:
    job = launch(2).job
    assert "Cancel this job" in page(operator_client, f"/jobs/{job.pk}").text
    first = post(operator_client, f"/jobs/{job.pk}/cancel")
    assert first.headers["Location"] == f"/jobs/{job.pk}"
    assert "Cancel this job" not in page(operator_client, f"/jobs/{job.pk}").text
    again = post(operator_client, f"/jobs/{job.pk}/cancel")
    assert again.status_code == 409
    assert "is over" in Markup(again.content.decode()).text


# --- looking


def test_the_job_page_tells_the_story(operator_client: Client) -> None:
    job = launch(2, reason="kernel update").job
    at = timezone.now()
    JobTransition.objects.create(
        job=job, at=at, from_status="queued", to_status="running", by="worker-1"
    )
    JobCheck.objects.create(job=job, at=at, phase="down", found="It refuses.", reached=True)
    ControlJob.objects.filter(pk=job.pk).update(
        status=JobStatus.FAILED, outcome="It is not down.", remedy="Look at it.", exit_code=134
    )
    text = page(operator_client, f"/jobs/{job.pk}").text
    for words in (
        "operator", "kernel update", "127.0.0.1" if job.address else "—", "queued", "running",
        "worker-1", "It refuses.", "It is not down.", "Look at it.", "134",
    ):  # fmt: skip
        assert words in text


def lines_add(job: ControlJob, first: int, last: int) -> None:
    at = timezone.now()
    JobLine.objects.bulk_create(
        JobLine(job=job, number=number, stream="stdout", text=f"line {number}!", at=at)
        for number in range(first, last + 1)
    )


def test_output_comes_after_the_line_that_is_there(operator_client: Client) -> None:
    job = launch(2).job
    lines_add(job, 1, 3)
    shown = page(operator_client, f"/jobs/{job.pk}")
    assert "line 3!" in shown.text
    assert "3" in shown.attributes("data-cursor")
    path = f"/fragments/jobs/{job.pk}/output?cursor="
    assert operator_client.get(f"{path}3").status_code == 204
    lines_add(job, 4, 5)
    more = page(operator_client, f"{path}3")
    assert more.attributes("value") == ["4", "5"]
    assert more.attributes("data-cursor") == ["5"]


def test_long_output_is_complete_as_a_file(operator_client: Client) -> None:
    job = launch(2).job
    lines_add(job, 1, 12_000)
    shown = page(operator_client, f"/jobs/{job.pk}")
    assert len(shown.with_class("line")) == 1000
    assert "line 12000!" in shown.text
    response: Any = operator_client.get(f"/jobs/{job.pk}/output.txt")
    content = b"".join(response.streaming_content).decode()
    assert content.splitlines() == [f"line {number}!" for number in range(1, 12_001)]


def test_fragments_send_nothing_when_nothing_is_new(operator_client: Client) -> None:
    job = launch(2).job
    for path in ("/fragments/jobs", f"/fragments/jobs/{job.pk}", "/fragments/node/2/control"):
        cursor = page(operator_client, path).attributes("data-cursor")[0]
        assert operator_client.get(f"{path}?cursor={cursor}").status_code == 204
    cursor = page(operator_client, "/fragments/jobs").attributes("data-cursor")[0]
    launch(3)
    assert operator_client.get(f"/fragments/jobs?cursor={cursor}").status_code == 200


@pytest.mark.parametrize(
    ("query", "nodes"),
    [
        ("", {"1", "2"}),
        ("node=2", {"2"}),
        ("action=restart", {"1"}),
        ("status=active", {"2"}),
        ("status=canceled", {"1"}),
        ("actor=oper", {"1", "2"}),
        ("actor=nobody", set()),
        ("since=2000-01-01", {"1", "2"}),
        ("until=2000-01-01T00:00", set()),
        ("node=x", set()),
    ],
)
def test_the_list_narrows(operator_client: Client, query: str, nodes: set[str]) -> None:
    restart = launch(1, "restart").job
    shutdown = launch(2).job
    ControlJob.objects.filter(pk=restart.pk).update(status=JobStatus.CANCELED)
    shown = {f"job-{restart.pk}": "1", f"job-{shutdown.pk}": "2"}
    ids = page(operator_client, f"/jobs?{query}").attributes("id")
    assert {shown[name] for name in ids if name in shown} == nodes


# --- text from outside


def test_hostile_text_stays_text(operator_client: Client) -> None:
    at = timezone.now()
    job = launch(2, reason=EVIL[:2000]).job
    JobLine.objects.create(job=job, number=1, stream="stderr", text=EVIL, at=at)
    JobCheck.objects.create(job=job, at=at, phase="down", found=EVIL, reached=False)
    JobTransition.objects.create(job=job, at=at, to_status="running", by="w", note=EVIL)
    ControlJob.objects.update(outcome=EVIL, remedy=EVIL, warnings=[EVIL], node_name=EVIL[:300])
    for path in PATHS:
        response = operator_client.get(path.format(job=job.pk))
        assert response.status_code == 200, path
        markup = Markup(response.content.decode())
        assert markup.forbidden == [], path
        assert not [tag for tag, _ in markup.elements if tag == "img"], path


# --- the audit trail


def events_shown(client: Client, query: str = "") -> list[str]:
    return [
        url.removeprefix("/audit/")
        for url in page(client, f"/audit{query}").attributes("href")
        if url.removeprefix("/audit/").isdigit()
    ]


@pytest.fixture
def administrator_client() -> Client:
    return client_of(Role.ADMINISTRATOR)


@pytest.mark.parametrize("path", ["/audit", "/audit/1", "/audit/export.csv", "/audit/export.json"])
def test_the_trail_is_for_those_who_may(
    path: str, operator_client: Client, administrator_client: Client
) -> None:
    launch(2)
    assert operator_client.get(path).status_code == 403
    assert administrator_client.get(path).status_code == 200


def test_the_menu_shows_what_one_may_open(
    operator_client: Client, administrator_client: Client
) -> None:
    assert "/jobs" in page(operator_client, "/").attributes("href")
    assert "/audit" not in page(operator_client, "/").attributes("href")
    assert "/audit" in page(administrator_client, "/").attributes("href")


def test_the_trail_narrows(administrator_client: Client) -> None:
    first, second = launch(1, reason="disk swap").job, launch(2, reason="kernel").job
    numbers = {
        event.job_id: str(event.number) for event in AuditEvent.objects.filter(action="job.launch")
    }
    one, two = numbers[str(first.pk)], numbers[str(second.pk)]
    for query, expected in {
        f"?job={first.pk}": [one],
        "?text=kernel": [two],
        "?action=job&actor=operator": [two, one],
        "?action=job.launch&outcome=pending": [two, one],
        "?outcome=failed&action=job": [],
        "?address=10.0.0.9": [],
        "?until=2000-01-01": [],
    }.items():
        assert events_shown(administrator_client, query) == expected, query
    assert administrator_client.get("/audit?since=nonsense").status_code == 400
    assert administrator_client.get("/audit/export.csv?since=nonsense").status_code == 400


def test_exports_hold_what_the_filter_leaves(administrator_client: Client) -> None:
    job = launch(1).job
    launch(2)
    response: Any = administrator_client.get(f"/audit/export.csv?job={job.pk}")
    text = b"".join(response.streaming_content).decode()
    assert len(text.splitlines()) == 2
    assert "job.launch" in text
    assert response.headers["Content-Disposition"].startswith('attachment; filename="audit-')


def test_hostile_text_in_the_trail_stays_text(administrator_client: Client) -> None:
    job = launch(2, reason=EVIL[:2000]).job
    event = AuditEvent.objects.get(action="job.launch", job_id=str(job.pk))
    for path in ("/audit", f"/audit/{event.number}"):
        markup = page(administrator_client, path)
        assert markup.forbidden == []
        assert "alert(1)" in markup.text
        assert not [tag for tag, _ in markup.elements if tag == "img"]
