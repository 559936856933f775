"""The password again, before what needs a second word: on the pages and in the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as portal
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.accounts.sessions import DRAFTS, FRESH
from apps.audit.models import AuditEvent
from apps.common.time import utc_now
from apps.control.models import ControlJob, JobBatch
from apps.nodes.models import Node
from apps.runtime.types import NodeState
from tests.accounts.people import PASSWORD, person_make, signed_in
from tests.control.kit import cluster_with_nodes, launch
from tests.control.test_jobs_api import post, script
from tests.pages.markup import Markup

pytestmark = pytest.mark.django_db
LEADER = "/node/0/actions/shutdown"
KEY = "0123456789abcdef" * 2
FORM = {"reason": "a fan is loud\nvery", "confirm": "yes", "key": KEY}
ROLL = {
    "nodes": "0-3", "action": "restart", "size": "2", "reason": "a new kernel",
    "confirm": "yes", "step": "launch", "key": KEY,
}  # fmt: skip
"""The box to stop on failure is not ticked."""


def age(client: Client, minutes: float) -> None:
    session = client.session
    session[FRESH] = int(utc_now().timestamp() - 60 * minutes)
    session.save()


@pytest.fixture
def operator(db: None, settings: Any) -> User:
    settings.PORTAL_CLIO_RUN = "/opt/clio/bin/clio_run"
    cluster_with_nodes(4)
    return person_make(Role.OPERATOR)


@pytest.fixture
def stale(operator: User) -> Client:
    """A browser whose password was given an hour ago."""
    client = signed_in(operator)
    age(client, 60)
    return client


def confirm(client: Client, asked: Any) -> Any:
    """Follow to the confirmation and give the password; the page that one comes back to."""
    assert asked.status_code == 302
    shown = Markup(client.get(asked.headers["Location"]).content.decode())
    back = next(value for tag, given in shown.elements if tag == "input"
                and given.get("name") == "next" for value in [given["value"]])  # fmt: skip
    answer = client.post("/accounts/confirm", {"password": PASSWORD, "next": back})
    assert answer.status_code == 302
    return client.get(answer.headers["Location"])


def fields_of(page: Markup) -> dict[str, str]:
    return {
        str(given["name"]): "checked" if "checked" in given else str(given.get("value"))
        for tag, given in page.elements
        if tag == "input" and given.get("name") and given.get("type") != "radio"
    }


def nothing_done() -> bool:
    return not ControlJob.objects.exists() and not JobBatch.objects.exists()


# ---- pages


def test_nothing_of_what_was_typed_is_lost(stale: Client) -> None:
    assert "asks for your password" in stale.get(LEADER).content.decode()
    asked = stale.post(LEADER, FORM)
    assert asked.headers["Location"].startswith("/accounts/confirm?next=")
    assert nothing_done()
    back = confirm(stale, asked)
    page = Markup(back.content.decode())
    assert back.status_code == 200
    assert "a fan is loud\nvery" in back.content.decode()
    assert {"key": KEY, "confirm": "checked"}.items() <= fields_of(page).items()
    assert "it is still you" in page.text
    assert "asks for your password" not in page.text
    assert nothing_done()
    done = stale.post(LEADER, FORM)
    job = ControlJob.objects.get()
    assert done.headers["Location"] == f"/jobs/{job.pk}"
    assert job.reason == "a fan is loud\nvery"
    assert AuditEvent.objects.filter(action="auth.confirm", outcome="succeeded").count() == 1
    assert stale.session[DRAFTS] == {}


def test_a_batch_comes_back_with_its_nodes_and_options(stale: Client) -> None:
    back = confirm(stale, stale.post("/batches/new", ROLL))
    page = Markup(back.content.decode())
    expected = {"nodes": "0-3", "size": "2", "key": KEY, "confirm": "checked"}
    assert expected.items() <= fields_of(page).items()
    assert fields_of(page)["stop_on_failure"] != "checked"
    assert "a new kernel" in page.text
    assert "Restart 4 nodes, 2 at a time" in page.text
    assert nothing_done()
    assert stale.post("/batches/new", ROLL).status_code == 302
    batch = JobBatch.objects.get()
    assert (batch.size, batch.stop_on_failure, batch.reason) == (2, False, "a new kernel")


def only_one_lives() -> None:
    Node.objects.exclude(node_id=3).update(state=NodeState.DOWN)


def on_the_portals_machine() -> None:
    Node.objects.filter(node_id=3).update(host="127.0.0.1")


@pytest.mark.parametrize("situation", [only_one_lives, on_the_portals_machine])
@pytest.mark.parametrize("action", ["shutdown", "restart"])
def test_wherever_there_is_a_warning(
    stale: Client, action: str, situation: Callable[[], None]
) -> None:
    situation()
    path = f"/node/3/actions/{action}"
    assert stale.post(path, FORM).headers["Location"].startswith("/accounts/confirm?")
    answer = post(stale, f"/api/topology/node/3/{action}?wait=0", {"reason": "x", "confirm": True})
    assert (answer.status_code, answer.json()["code"]) == (403, "fresh_sign_in_needed")
    assert nothing_done()


@pytest.mark.parametrize(
    "path", ["/node/3/actions/shutdown", "/node/0/actions/start", "/node/0/actions/status"]
)
def test_where_there_is_none_nobody_is_asked(stale: Client, path: str) -> None:
    assert "asks for your password" not in stale.get(path).content.decode()
    assert stale.post(path, {"reason": "x"}).headers["Location"].startswith("/jobs/")


def test_the_second_word_comes_before_the_password(stale: Client) -> None:
    answer = stale.post(LEADER, FORM | {"confirm": ""})
    assert answer.status_code == 409
    assert "a fan is loud" in answer.content.decode()


def test_a_busy_node_is_said_before_the_password(stale: Client) -> None:
    launch(0)
    assert stale.post(LEADER, FORM).status_code == 409


def test_a_form_opened_in_time_may_be_sent_a_while_later(stale: Client) -> None:
    limit = portal.PORTAL_FRESH_SIGN_IN.total_seconds() / 60
    age(stale, 1.5 * limit)
    assert stale.post(LEADER, FORM).headers["Location"].startswith("/jobs/")


def test_a_draft_is_of_one_session_and_one_page(stale: Client, operator: User) -> None:
    stale.post(LEADER, FORM)
    draft = f"?draft={KEY}"
    assert "a fan is loud" in stale.get(LEADER + draft).content.decode()
    assert "a fan is loud" not in signed_in(operator).get(LEADER + draft).content.decode()
    for path in ("/node/1/actions/shutdown", "/node/0/actions/restart", "/batches/new"):
        assert "a fan is loud" not in stale.get(path + draft).content.decode()


@pytest.mark.parametrize(("path", "form"), [(LEADER, FORM), ("/batches/new", ROLL)])
def test_a_warning_that_nobody_has_read_is_not_ticked(
    stale: Client, path: str, form: dict[str, str]
) -> None:
    asked = stale.post(path, form)
    Node.objects.filter(node_id=0).update(host="127.0.0.1")
    page = Markup(confirm(stale, asked).content.decode())
    assert "machine of the portal itself" in page.text
    assert fields_of(page)["confirm"] == "yes", "not ticked"


@pytest.mark.parametrize(("path", "form"), [(LEADER, FORM), ("/batches/new", ROLL)])
def test_a_tick_holds_for_the_warnings_that_it_stood_below(
    operator: User, path: str, form: dict[str, str]
) -> None:
    client = signed_in(operator)
    look = client.post(path, form | {"step": "review"}) if "step" in form else client.get(path)
    read = fields_of(Markup(look.content.decode()))["read"]
    Node.objects.filter(node_id=0).update(host="127.0.0.1")
    asked = client.post(path, form | {"read": read})
    page = Markup(asked.content.decode())
    assert asked.status_code == 409
    assert "machine of the portal itself" in page.text
    assert fields_of(page)["confirm"] == "yes", "not ticked"
    assert nothing_done()
    assert client.post(path, form | {"read": fields_of(page)["read"]}).status_code == 302
    assert not nothing_done()


def test_a_session_keeps_few_drafts(stale: Client) -> None:
    for digit in "1234":
        stale.post(LEADER, FORM | {"key": digit * 32})
    assert list(stale.session[DRAFTS]) == ["2" * 32, "3" * 32, "4" * 32]


# ---- the API


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/topology/node/0/restart?wait=0", {}),
        ("/api/batches", {"action": "restart", "nodes": "all"}),
    ],
)
def test_the_api_says_where_to_confirm(stale: Client, path: str, more: dict[str, Any]) -> None:
    order = {"reason": "a new kernel", "confirm": True, **more}
    answer = post(stale, path, order)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (403, "fresh_sign_in_needed")
    assert body["confirm_url"] == "/accounts/confirm"
    assert "/accounts/confirm" in body["remedy"]
    assert nothing_done()
    assert post(stale, path, order | {"dry_run": True}).status_code == 200
    stale.post("/accounts/confirm", {"password": PASSWORD})
    assert post(stale, path, order).status_code == 202


def test_tokens_are_not_asked(operator: User) -> None:
    answer = post(script(operator), "/api/topology/node/0/restart?wait=0")
    assert answer.status_code == 202
    assert answer.json()["warnings"]
