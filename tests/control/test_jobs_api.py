"""The documented POST routes and `/api/jobs`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.services import token_create
from apps.control.models import ControlJob
from apps.control.remote.types import RemoteFailure
from apps.control.services import control_job_run
from apps.nodes.models import Node
from apps.runtime.simulated import SimOptions, SimulatedCluster
from apps.runtime.types import NodeState
from apps.runtime.wire.client import WireClient
from tests.accounts.people import person_make, signed_in
from tests.control.kit import Machines, cluster_of_sim, cluster_with_nodes, launch, watch_shortly

BACKEND = "apps.accounts.backends.PortalBackend"
DOCUMENTED = {"success", "returncode", "stdout", "stderr"}


def script(user: User, scope: ApiToken.Scope = ApiToken.Scope.OPERATE) -> Client:
    _, secret = token_create(user=user, name="tests", scope=scope)
    return Client(headers={"authorization": f"Token {secret}"})


def browser(user: User) -> Client:
    return signed_in(user)


def post(client: Client, path: str, body: object = None, **headers: str) -> Any:
    if body is None:
        # As curl -X POST sends it: no body, no type.
        return client.generic("POST", path, content_type="", headers=headers)
    return client.post(path, json.dumps(body), content_type="application/json", headers=headers)


@pytest.fixture
def nodes(db: None) -> None:
    cluster_with_nodes()


@pytest.fixture
def operator(db: None) -> User:
    return person_make(Role.OPERATOR)


@pytest.fixture
def machines(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    """Four simulated nodes; a job runs at once, inside its launch."""
    with SimulatedCluster(SimOptions(nodes=4, port=0)) as sim, WireClient() as client:
        cluster_of_sim(sim)
        found = Machines(sim)
        watch_shortly(monkeypatch)

        def run_now(pks: Sequence[int], *, at: datetime) -> None:
            for pk in pks:
                control_job_run(pk, holder="w", tools=found.tools(client))

        monkeypatch.setattr("apps.control.services.launch.jobs_dispatch_on_commit", run_now)
        yield found


class TestDocumented:
    """What scripts written for the documented dashboard do."""

    def test_shutdown_answers_as_documented(self, machines: Machines, operator: User) -> None:
        machines.lines["stop"] = ["stopping", "done"]
        answer = post(script(operator), "/api/topology/node/3/shutdown")
        body = answer.json()
        assert answer.status_code == 200
        assert {name: body[name] for name in DOCUMENTED} == {
            "success": True,
            "returncode": 0,
            "stdout": "stopping\ndone\n",
            "stderr": "",
        }
        assert body["url"] == f"/api/jobs/{body['job']}"
        assert machines.ran == [(3, "stop")]

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_restart_answers_as_documented(
        self, machines: Machines, operator: User, slash: str
    ) -> None:
        answer = post(script(operator), f"/api/topology/node/0/restart{slash}", {})
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        assert machines.ran == [(0, "stop"), (0, "start")]

    def test_a_failure_is_502_with_the_true_exit_code(
        self, machines: Machines, operator: User
    ) -> None:
        machines.exit_codes["stop"] = 9
        answer = post(script(operator), "/api/topology/node/3/shutdown")
        body = answer.json()
        assert (answer.status_code, body["success"], body["returncode"]) == (502, False, 9)
        assert body["code"] == "bad_exit_code"

    def test_a_machine_that_is_not_reached_is_502_and_says_why_on_stderr(
        self, machines: Machines, operator: User
    ) -> None:
        machines.failure = RemoteFailure("node3 refuses.", code="refused")
        answer = post(script(operator), "/api/topology/node/3/shutdown")
        body = answer.json()
        assert (answer.status_code, body["returncode"]) == (502, None)
        assert body["stderr"] == "node3 refuses.\n"

    def test_shutdown_of_a_dead_node_is_no_success(
        self, machines: Machines, operator: User
    ) -> None:
        assert machines.sim is not None
        machines.sim.node(3).stop()
        answer = post(script(operator), "/api/topology/node/3/shutdown")
        assert (answer.status_code, answer.json()["code"]) == (502, "not_running")

    @pytest.mark.parametrize("node_id", ["99", "abc", "-1", "3000000000"])
    def test_an_unknown_node_is_404_at_once(
        self, nodes: None, operator: User, node_id: str
    ) -> None:
        answer = post(script(operator), f"/api/topology/node/{node_id}/shutdown")
        assert (answer.status_code, answer.json()["code"]) == (404, "node_unknown")


@pytest.mark.django_db
@pytest.mark.usefixtures("nodes")
class TestLaunching:
    def test_past_the_wait_it_is_202_with_the_url(self, operator: User) -> None:
        answer = post(script(operator), "/api/topology/node/3/shutdown?wait=0")
        body = answer.json()
        assert (answer.status_code, body["success"], body["status"]) == (202, None, "queued")
        assert answer["Location"] == body["url"]

    @pytest.mark.parametrize("wait", ["61", "-1", "x", "1e1", "nan"])
    def test_a_bad_wait_is_400_and_nothing_is_launched(self, operator: User, wait: str) -> None:
        answer = post(script(operator), f"/api/topology/node/3/shutdown?wait={wait}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")
        assert not ControlJob.objects.exists()

    def test_a_busy_node_is_409_and_names_the_job(self, operator: User) -> None:
        running = launch(3, "restart").job
        answer = post(script(operator), "/api/topology/node/3/shutdown?wait=0")
        body = answer.json()
        assert (answer.status_code, body["code"]) == (409, "node_busy")
        assert (body["job"], body["url"]) == (running.pk, f"/api/jobs/{running.pk}")
        assert "restart" in body["error"]

    def test_people_say_why(self, operator: User) -> None:
        answer = post(browser(operator), "/api/topology/node/3/shutdown?wait=0", {})
        assert (answer.status_code, answer.json()["code"]) == (400, "reason_needed")
        answer = post(
            browser(operator), "/api/topology/node/3/shutdown?wait=0", {"reason": "a disk"}
        )
        assert (answer.status_code, answer.json()["reason"]) == (202, "a disk")

    def test_a_reason_can_be_left_to_people(self, operator: User, settings: Settings) -> None:
        settings.PORTAL_REASON_REQUIRED = False
        assert post(browser(operator), "/api/topology/node/3/shutdown?wait=0").status_code == 202

    def test_people_confirm_for_the_leader(self, operator: User) -> None:
        path = "/api/topology/node/0/restart?wait=0"
        answer = post(browser(operator), path, {"reason": "x"})
        body = answer.json()
        assert (answer.status_code, body["code"]) == (409, "confirm_needed")
        assert body["warnings"] == ["Node 0 (node0) leads the cluster."]
        assert post(browser(operator), path, {"reason": "x", "confirm": True}).status_code == 202

    def test_people_confirm_for_the_last_living_node(self, operator: User) -> None:
        Node.objects.exclude(node_id=3).update(state=NodeState.DOWN)
        answer = post(browser(operator), "/api/topology/node/3/shutdown?wait=0", {"reason": "x"})
        assert answer.json()["warnings"] == ["Node 3 (node3) is the last one that is alive."]

    def test_people_confirm_for_the_portals_own_machine(self, operator: User) -> None:
        Node.objects.filter(node_id=3).update(host="127.0.0.1")
        answer = post(browser(operator), "/api/topology/node/3/shutdown?wait=0", {"reason": "x"})
        assert "machine of the portal itself" in answer.json()["error"]

    def test_a_start_needs_no_confirmation(self, operator: User) -> None:
        answer = post(browser(operator), "/api/topology/node/0/start?wait=0", {"reason": "x"})
        assert answer.status_code == 202

    def test_scripts_are_told_the_warnings_and_not_held_up(self, operator: User) -> None:
        answer = post(script(operator), "/api/topology/node/0/shutdown?wait=0")
        assert answer.status_code == 202
        assert answer.json()["warnings"] == ["Node 0 (node0) leads the cluster."]

    def test_the_same_key_launches_once(self, operator: User) -> None:
        client = script(operator)
        answers = [
            post(client, "/api/topology/node/3/shutdown?wait=0", **{"Idempotency-Key": "k1"})
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].json()["job"] == answers[1].json()["job"]
        assert answers[1]["Idempotency-Replayed"] == "true"
        assert ControlJob.objects.count() == 1
        other = post(client, "/api/topology/node/2/shutdown?wait=0", **{"Idempotency-Key": "k1"})
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    def test_a_dry_run_shows_the_commands_and_launches_nothing(
        self, operator: User, settings: Settings
    ) -> None:
        settings.PORTAL_CLIO_RUN = "/opt/clio/bin/clio_run"
        answer = post(script(operator), "/api/topology/node/0/restart", {"dry_run": True})
        body = answer.json()
        assert answer.status_code == 200
        assert body.keys() >= DOCUMENTED
        assert [" stop" in body["commands"][0]["command_line"], len(body["commands"])] == [True, 2]
        assert body["warnings"] == ["Node 0 (node0) leads the cluster."]
        assert not ControlJob.objects.exists()

    def test_the_read_only_switch_turns_all_control_off(
        self, operator: User, settings: Settings
    ) -> None:
        settings.PORTAL_READ_ONLY = True
        client = script(operator)
        for path in ("/api/topology/node/3/shutdown", "/api/topology/node/3/status"):
            answer = post(client, path)
            assert (answer.status_code, answer.json()["code"]) == (403, "read_only")
        answer = post(client, "/api/batches", {"action": "restart", "nodes": "all"})
        assert (answer.status_code, answer.json()["code"]) == (403, "read_only")

    @pytest.mark.parametrize(
        "body", [[], [1], "x", 3, {"reason": 3}, {"dry_run": "yes"}, {"reason": "x" * 2001}]
    )
    def test_a_body_that_makes_no_sense_is_400(self, operator: User, body: object) -> None:
        answer = post(script(operator), "/api/topology/node/3/shutdown?wait=0", body)
        assert answer.status_code == 400
        assert not ControlJob.objects.exists()


CONTROL = [
    *(f"/api/topology/node/3/{action}" for action in ("shutdown", "restart", "start", "status")),
    "/api/batches",
    "/api/batches/1/pause",
    "/api/batches/1/resume",
    "/api/batches/1/cancel",
    "/api/jobs/1/cancel",
]
READING = ["/api/jobs", "/api/jobs/1", "/api/jobs/1/output", "/api/batches", "/api/batches/1"]


@pytest.mark.django_db
@pytest.mark.usefixtures("nodes")
class TestPermissions:
    @pytest.mark.parametrize("path", CONTROL)
    def test_without_credentials_401(self, path: str) -> None:
        assert post(Client(), path).status_code == 401

    @pytest.mark.parametrize("path", CONTROL)
    @pytest.mark.parametrize("role", [None, Role.VIEWER])
    def test_without_the_role_403(self, path: str, role: Role | None) -> None:
        user = person_make(role)
        for client in (script(user), browser(user)):
            answer = post(client, f"{path}?wait=0", {"reason": "x", "confirm": True})
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert not ControlJob.objects.exists()

    @pytest.mark.parametrize("path", CONTROL)
    @pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMINISTRATOR])
    def test_with_the_role_it_gets_past_the_door(self, path: str, role: Role) -> None:
        body = {"reason": "x", "confirm": True, "action": "status", "nodes": [3]}
        answer = post(script(person_make(role)), f"{path}?wait=0", body)
        assert answer.status_code in (202, 404)

    @pytest.mark.parametrize("path", CONTROL)
    def test_a_token_for_reading_can_not(self, path: str, operator: User) -> None:
        answer = post(script(operator, ApiToken.Scope.READ), f"{path}?wait=0", {"reason": "x"})
        assert (answer.status_code, answer.json()["code"]) == (403, "token_read_only")

    @pytest.mark.parametrize("path", CONTROL)
    def test_a_browser_proves_that_it_is_no_foreign_page(self, path: str, operator: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(operator, BACKEND)
        assert post(client, f"{path}?wait=0", {"reason": "x"}).status_code == 403
        assert not ControlJob.objects.exists()

    @pytest.mark.parametrize("path", READING)
    def test_viewers_read_jobs(self, path: str) -> None:
        assert script(person_make(Role.VIEWER)).get(path).status_code in (200, 404)
        assert Client().get(path).status_code == 401

    def test_a_role_that_is_taken_away_ends_at_once(self, operator: User) -> None:
        client = script(operator)
        operator.groups.clear()
        assert post(client, "/api/topology/node/3/shutdown?wait=0").status_code == 403


@pytest.mark.django_db
@pytest.mark.usefixtures("nodes")
class TestJobs:
    def test_the_list_is_filtered_and_paged(self, operator: User) -> None:
        one, two, three = (launch(n, a).job for n, a in ((1, "start"), (2, "status"), (3, "start")))
        client = script(operator)

        def found(query: str) -> list[int]:
            answer = client.get(f"/api/jobs?{query}")
            assert answer.status_code == 200, answer.json()
            return [job["job"] for job in answer.json()["jobs"]]

        assert found("") == [three.pk, two.pk, one.pk]
        assert found("action=start") == [three.pk, one.pk]
        assert found("node=2") == [two.pk]
        assert found("status=active") == [three.pk, two.pk, one.pk]
        assert found("status=failed,lost") == []
        assert found("actor=OPER") == [three.pk, two.pk, one.pk]
        assert found("actor=somebody") == []
        assert found("since=2100-01-01T00:00:00Z") == []
        assert found("until=2100-01-01") == [three.pk, two.pk, one.pk]
        first = client.get("/api/jobs?limit=2&action=start&limit=1").json()
        assert (len(first["jobs"]), first["count"]) == (1, 2)
        assert [job["job"] for job in client.get(first["next"]).json()["jobs"]] == [one.pk]

    @pytest.mark.parametrize(
        "query",
        ["status=x", "node=x", "since=x", "limit=501", "before=-1", "action=x", "since=2026-13-45"],
    )
    def test_a_bad_filter_is_400(self, operator: User, query: str) -> None:
        assert script(operator).get(f"/api/jobs?{query}").status_code == 400

    def test_a_job_tells_its_history(self, operator: User) -> None:
        job = launch(3).job
        body = script(operator).get(f"/api/jobs/{job.pk}").json()
        assert (body["status"], body["requested_by"], body["reason"]) == (
            "queued",
            "operator",
            "a test",
        )
        assert [(row["from"], row["to"]) for row in body["transitions"]] == [(None, "queued")]

    @pytest.mark.parametrize("number", ["0", "999", "x", "9" * 30])
    def test_an_unknown_job_is_404(self, operator: User, number: str) -> None:
        answer = script(operator).get(f"/api/jobs/{number}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_unknown")

    def test_output_comes_after_a_line_and_says_when_it_is_complete(self, operator: User) -> None:
        with SimulatedCluster(SimOptions(nodes=1, port=0)) as sim, WireClient() as client:
            Node.objects.filter(node_id=3).update(host=sim.target(0).host, port=sim.target(0).port)
            machines = Machines(lines={"status": ["a", "b", "c"]})
            job = launch(3, "status").job
            control_job_run(job.pk, holder="w", tools=machines.tools(client))
        reader = script(operator)
        body = reader.get(f"/api/jobs/{job.pk}/output?after=1&limit=1").json()
        assert [(line["number"], line["text"]) for line in body["lines"]] == [(2, "b")]
        assert (body["last"], body["complete"]) == (2, False)
        body = reader.get(f"/api/jobs/{job.pk}/output?after=2").json()
        assert [line["text"] for line in body["lines"]] == ["c"]
        assert body["complete"]

    def test_a_queued_job_is_canceled_at_once_and_only_once(self, operator: User) -> None:
        job = launch(3).job
        client = script(operator)
        answer = post(client, f"/api/jobs/{job.pk}/cancel?wait=0")
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
        assert "Nothing was done" in answer.json()["outcome"]
        again = post(client, f"/api/jobs/{job.pk}/cancel?wait=0")
        assert (again.status_code, again.json()["code"]) == (409, "job_over")
        assert not control_job_run(job.pk, holder="w")


@pytest.mark.django_db
@pytest.mark.usefixtures("nodes")
class TestMaintenance:
    PATH = "/api/topology/node/2/maintenance"

    def put(self, client: Client, body: object) -> Any:
        return client.put(self.PATH, json.dumps(body), content_type="application/json")

    def test_it_begins_shows_and_ends(self, operator: User) -> None:
        client = script(operator)
        assert self.put(client, {"reason": "a disk", "until": "2100-01-01T00:00:00Z"}).json() == {
            "node_id": 2,
            "maintenance": client.get(self.PATH).json()["maintenance"],
        }
        shown = client.get("/api/topology").json()["nodes"][2]["maintenance"]
        assert (shown["by"], shown["reason"], shown["until"]) == (
            "operator",
            "a disk",
            "2100-01-01T00:00:00Z",
        )
        assert client.delete(self.PATH).json() == {"node_id": 2, "maintenance": None}
        assert client.get(self.PATH).json()["maintenance"] is None

    @pytest.mark.parametrize("body", [{}, {"reason": "x", "until": "soon"}, {"reason": 1}])
    def test_what_makes_no_sense_is_400(self, operator: User, body: object) -> None:
        assert self.put(script(operator), body).status_code == 400

    def test_viewers_see_it_and_do_not_change_it(self) -> None:
        client = script(person_make(Role.VIEWER))
        assert client.get(self.PATH).status_code == 200
        assert self.put(client, {"reason": "x"}).status_code == 403
        assert client.delete(self.PATH).status_code == 403
