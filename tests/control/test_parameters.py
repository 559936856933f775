"""What may be said along with an action: at the API, on the pages, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiToken
from apps.accounts.roles import Role
from apps.accounts.services import token_create
from apps.audit.models import AuditEvent
from apps.audit.services import Actor
from apps.common.time import utc_now
from apps.control.actions import ACTIONS, PARAMETERS, WATCH
from apps.control.models import ControlJob, JobBatch
from apps.control.parameters import ParameterWrong, parameters_checked
from apps.control.services import control_job_cancel, control_job_run
from apps.control.services.rolling import batch_advance
from apps.runtime.simulated import SimOptions, SimulatedCluster
from apps.runtime.wire.client import WireClient
from tests.accounts.people import person_make, signed_in
from tests.control import kit
from tests.pages.markup import Markup

pytestmark = pytest.mark.django_db
RESTART = "/api/topology/node/1/restart"
FORM = {"reason": "new disk", "confirm": "yes"}


@pytest.fixture(autouse=True)
def _nodes(settings: Any) -> None:
    settings.PORTAL_CLIO_RUN = "/opt/clio/bin/clio_run"
    settings.PORTAL_SSH_USER = "clio"
    kit.cluster_with_nodes(4)


@pytest.fixture
def script() -> Client:
    _, secret = token_create(
        user=person_make(Role.OPERATOR), name="tests", scope=ApiToken.Scope.OPERATE
    )
    return Client(headers={"authorization": f"Token {secret}"})


@pytest.fixture
def person() -> Client:
    return signed_in(person_make(Role.OPERATOR))


def post(client: Client, path: str, body: object, **headers: str) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


def test_only_actions_that_watch_take_the_time_to_watch() -> None:
    assert PARAMETERS == (WATCH,)
    assert {name for name, action in ACTIONS.items() if action.parameters} == {
        "shutdown",
        "restart",
        "start",
    }


@pytest.mark.parametrize("given", [{}, {"watch_s": WATCH.least}, {"watch_s": WATCH.most}])
def test_what_is_within_bounds_is_kept(given: dict[str, Any]) -> None:
    assert parameters_checked((WATCH,), given) == given


@pytest.mark.parametrize(
    "given",
    [
        *({"watch_s": value} for value in (WATCH.least - 1, WATCH.most + 1, 0, -1, 2**70)),
        *({"watch_s": value} for value in (None, True, 7.5, "60", [60], {"s": 60}, float("nan"))),
        {"watch": 60},
        {"": 1},
    ],
    ids=str,
)
def test_anything_else_is_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(ParameterWrong) as refused:
        parameters_checked((WATCH,), given)
    assert refused.value.status == 400
    assert (refused.value.extra or {})["parameter"] in given
    assert refused.value.remedy


def test_a_script_says_it_and_everybody_can_see_it(script: Client) -> None:
    body = {"parameters": {"watch_s": 300}}
    told = post(script, f"{RESTART}?wait=0", body).json()
    job = ControlJob.objects.get()
    assert told["parameters"] == job.parameters == {"watch_s": 300}
    event = AuditEvent.objects.get(action="job.launch")
    assert event.after is not None
    assert event.after["parameters"] == {"watch_s": 300}
    page = Markup(signed_in(person_make(Role.VIEWER)).get(f"/jobs/{job.pk}").content.decode())
    assert "Watch for at most" in page.text
    assert "300 s" in page.text


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        (RESTART, {"watch_s": 4}),
        (RESTART, {"watch": 60}),
        (RESTART, [60]),
        ("/api/topology/node/1/status", {"watch_s": 60}),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_wrong_one_launches_nothing(
    script: Client, path: str, parameters: object, dry_run: bool
) -> None:
    answer = post(script, path, {"parameters": parameters, "dry_run": dry_run})
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_parameter"
    assert not ControlJob.objects.exists()


def test_the_same_key_with_another_one_is_another_order(script: Client) -> None:
    key = {"Idempotency-Key": "k1"}
    first = {"parameters": {"watch_s": 60}}
    assert post(script, f"{RESTART}?wait=0", first, **key).status_code == 202
    assert post(script, f"{RESTART}?wait=0", first, **key).status_code == 202
    other = post(script, f"{RESTART}?wait=0", {"parameters": {"watch_s": 61}}, **key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert ControlJob.objects.count() == 1


def test_a_batch_hands_it_to_each_of_its_jobs(script: Client) -> None:
    order = {"action": "restart", "nodes": "0-2", "size": 2, "parameters": {"watch_s": 90}}
    order["confirm"] = True
    told = post(script, "/api/batches", order)
    assert told.status_code == 202, told.content
    assert told.json()["parameters"] == JobBatch.objects.get().parameters == {"watch_s": 90}
    assert [job.parameters for job in ControlJob.objects.all()] == [{"watch_s": 90}] * 2


def test_a_batch_of_other_bounds_begins_nothing_more(script: Client) -> None:
    """A newer portal may know others than the one that took the order."""
    order = {"action": "restart", "nodes": "0-2", "parameters": {"watch_s": 90}, "confirm": True}
    assert post(script, "/api/batches", order | {"stop_on_failure": False}).status_code == 202
    batch, job = JobBatch.objects.get(), ControlJob.objects.get()
    JobBatch.objects.update(parameters={"watch_s": 2})
    control_job_cancel(job, actor=Actor.portal(), at=utc_now())
    batch_advance(batch.pk, at=utc_now())
    notes = list(batch.items.exclude(job=job).values_list("status", "note"))
    assert len(notes) == 2
    assert all(status == "skipped" and "watch_s is '2'" in note for status, note in notes)


def test_a_node_that_takes_longer_than_that_has_failed() -> None:
    with SimulatedCluster(SimOptions(nodes=2, port=0)) as sim, WireClient() as client:
        ControlJob.objects.all().delete()
        node = kit.node_of(1)
        target = sim.targets()[1]
        node.host, node.port = target.host, target.port
        node.save()
        job = kit.launch(1, "shutdown", parameters={"watch_s": 5}).job
        tools = kit.Machines(sim, idle=True).tools(client)
        assert control_job_run(job.pk, holder="w", tools=tools)
    job.refresh_from_db()
    assert job.status == "failed"
    assert "after 5 s" in job.outcome


class TestPages:
    def test_the_form_asks_where_the_action_takes_it(self, person: Client) -> None:
        assert 'name="watch_s"' in person.get("/node/1/actions/restart").content.decode()
        assert 'name="watch_s"' in person.get("/batches/new").content.decode()
        assert 'name="watch_s"' not in person.get("/node/1/actions/status").content.decode()

    def test_what_is_typed_is_launched(self, person: Client) -> None:
        assert person.post("/node/1/actions/restart", FORM | {"watch_s": "120"}).status_code == 302
        assert ControlJob.objects.get().parameters == {"watch_s": 120}

    def test_an_empty_field_is_none(self, person: Client) -> None:
        assert person.post("/node/1/actions/restart", FORM | {"watch_s": " "}).status_code == 302
        assert ControlJob.objects.get().parameters == {}

    @pytest.mark.parametrize("typed", ["3", "1801", "soon", "-5", "1e3"])
    def test_a_wrong_one_is_said_and_stays_in_its_field(self, person: Client, typed: str) -> None:
        answer = person.post("/node/1/actions/restart", FORM | {"watch_s": typed})
        text = answer.content.decode()
        assert answer.status_code == 400
        assert "a whole number from 5 to 1800" in text
        assert f'value="{typed}" aria-invalid="true"' in text
        assert "new disk" in text
        assert not ControlJob.objects.exists()

    def test_a_batch_is_looked_at_with_it(self, person: Client) -> None:
        order = {"nodes": "1-2", "action": "restart", "size": "1", "reason": "x"}
        wrong = person.post("/batches/new", order | {"watch_s": "2", "step": "review"})
        assert wrong.status_code == 400
        assert "a whole number from 5 to 1800" in wrong.content.decode()
        good = order | {"watch_s": "40", "step": "launch", "confirm": "yes"}
        assert person.post("/batches/new", good).status_code == 302
        batch = JobBatch.objects.get()
        assert batch.parameters == {"watch_s": 40}
        text = Markup(person.get(f"/batches/{batch.pk}").content.decode()).text
        assert "40 s" in text
