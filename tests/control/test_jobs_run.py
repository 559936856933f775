"""A job from launch to end: its commands, what became of the node, and what is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from apps.audit.models import AuditEvent
from apps.audit.verify import audit_verify
from apps.common.time import utc_now
from apps.control.models import ControlJob, JobCheck, JobLine, JobStatus, JobTransition
from apps.control.remote.types import Access, RemoteFailure
from apps.control.services import control_job_cancel, control_job_run
from apps.control.services.records import job_actor
from apps.nodes.models import Node
from apps.runtime.simulated import Fault, SimOptions, SimulatedCluster
from apps.runtime.wire.client import WireClient
from tests.control.kit import FINGERPRINT, Machines, cluster_of_sim, fresh, launch, watch_shortly

pytestmark = pytest.mark.django_db


@pytest.fixture
def sim(db: None) -> Iterator[SimulatedCluster]:
    with SimulatedCluster(SimOptions(nodes=2, port=0)) as cluster:
        cluster_of_sim(cluster)
        yield cluster


@pytest.fixture
def client() -> Iterator[WireClient]:
    with WireClient() as client:
        yield client


@pytest.fixture(autouse=True)
def short_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    watch_shortly(monkeypatch)


def run(machines: Machines, client: WireClient, action: str, node_id: int = 1) -> ControlJob:
    job = launch(node_id, action).job
    assert control_job_run(job.pk, holder="worker-1", tools=machines.tools(client))
    return fresh(job)


def statuses(job: ControlJob) -> list[str]:
    return [row.to_status for row in JobTransition.objects.filter(job=job)]


def phases(job: ControlJob) -> list[tuple[str, bool]]:
    return [(row.phase, row.reached) for row in JobCheck.objects.filter(job=job)]


def test_a_shutdown_succeeds_when_the_node_is_seen_down(
    sim: SimulatedCluster, client: WireClient
) -> None:
    job = run(Machines(sim, lines={"stop": ["bye", "now"]}), client, "shutdown")
    assert (job.status, job.exit_code, job.outcome_code) == ("succeeded", 0, "done")
    assert statuses(job) == ["queued", "running", "verifying", "succeeded"]
    assert phases(job)[0] == ("before", False)
    assert phases(job)[-1] == ("down", True)
    assert (job.host_key_fingerprint, job.host_key_new) == (FINGERPRINT, True)
    assert job.boot_before is not None
    assert job.boot_after is None
    assert [line.text for line in JobLine.objects.filter(job=job)] == ["bye", "now"]
    assert job.lines_total == 2
    assert job.lease_until is None


def test_exit_code_134_of_an_older_stop_is_success(
    sim: SimulatedCluster, client: WireClient
) -> None:
    job = run(Machines(sim, exit_codes={"stop": 134}), client, "shutdown")
    assert (job.status, job.exit_code) == ("succeeded", 134)


def test_a_stop_that_says_0_and_stops_nothing_has_failed(
    sim: SimulatedCluster, client: WireClient
) -> None:
    job = run(Machines(sim, idle=True), client, "shutdown")
    assert (job.status, job.outcome_code, job.exit_code) == ("failed", "not_down", 0)
    assert "It answers" in job.outcome


def test_a_node_that_is_down_already_is_not_stopped_again(
    sim: SimulatedCluster, client: WireClient
) -> None:
    sim.node(1).stop()
    machines = Machines(sim)
    job = run(machines, client, "shutdown")
    assert (job.status, job.outcome_code, machines.ran) == ("failed", "not_running", [])


def test_a_restart_stops_starts_and_sees_another_process(
    sim: SimulatedCluster, client: WireClient
) -> None:
    machines = Machines(sim)
    job = run(machines, client, "restart")
    assert machines.ran == [(1, "stop"), (1, "start")]
    assert job.status == "succeeded"
    assert None not in (job.boot_before, job.boot_after)
    assert job.boot_before != job.boot_after
    assert [phase for phase, reached in phases(job) if reached] == ["down", "answers"]
    assert [(line.number, line.text) for line in JobLine.objects.filter(job=job)] == [
        (1, "stop says so"),
        (2, "start says so"),
    ]


def test_a_restart_of_a_node_that_is_down_only_starts_it(
    sim: SimulatedCluster, client: WireClient
) -> None:
    sim.node(1).stop()
    machines = Machines(sim)
    job = run(machines, client, "restart")
    assert (job.status, machines.ran) == ("succeeded", [(1, "start")])


def test_a_start_that_brings_nothing_up_has_failed(
    sim: SimulatedCluster, client: WireClient
) -> None:
    sim.node(1).stop()
    job = run(Machines(sim, idle=True), client, "start")
    assert (job.status, job.outcome_code) == ("failed", "no_answer")
    assert "/l" in job.remedy


def test_a_running_node_is_not_started_a_second_time(
    sim: SimulatedCluster, client: WireClient
) -> None:
    machines = Machines(sim)
    job = run(machines, client, "start")
    assert (job.status, job.outcome_code, machines.ran) == ("failed", "already_running", [])


def test_a_hung_node_is_not_started_a_second_time(
    sim: SimulatedCluster, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.control.services.run.FIRST_ANSWER_DEADLINE_S", 0.3)
    sim.node(1).fault(Fault.HUNG)
    machines = Machines(sim)
    job = run(machines, client, "start")
    assert (job.outcome_code, machines.ran) == ("already_running", [])


@pytest.mark.parametrize(("code", "words"), [(0, "runs"), (1, "stopped"), (2, "stale")])
def test_a_status_is_an_answer_whatever_it_says(
    sim: SimulatedCluster, client: WireClient, code: int, words: str
) -> None:
    job = run(Machines(sim, exit_codes={"status": code}), client, "status")
    assert (job.status, job.exit_code) == ("succeeded", code)
    assert words in job.outcome
    assert statuses(job) == ["queued", "running", "succeeded"]


def test_a_bad_exit_code_is_kept_and_nothing_more_is_run(
    sim: SimulatedCluster, client: WireClient
) -> None:
    machines = Machines(sim, exit_codes={"stop": 3})
    job = run(machines, client, "restart")
    assert (job.status, job.exit_code, job.outcome_code) == ("failed", 3, "bad_exit_code")
    assert machines.ran == [(1, "stop")]


@pytest.mark.parametrize(
    ("code", "status"),
    [("refused", "failed"), ("host_key_changed", "failed"), ("command_timed_out", "timed_out")],
)
def test_a_failure_on_the_way_is_the_outcome(
    sim: SimulatedCluster, client: WireClient, code: str, status: str
) -> None:
    failure = RemoteFailure("It went wrong.", code=code, remedy="Do this.")
    job = run(Machines(sim, failure=failure), client, "shutdown")
    assert (job.status, job.outcome_code) == (status, code)
    assert (job.outcome, job.remedy) == ("It went wrong.", "Do this.")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_the_portal_closes_the_job_too(
    sim: SimulatedCluster, client: WireClient
) -> None:
    def fail(word: str, cancel: threading.Event) -> None:
        raise ZeroDivisionError

    job = launch(1).job
    with pytest.raises(RuntimeError, match="without a result"):
        control_job_run(job.pk, holder="w", tools=Machines(before=fail).tools(client))
    assert (fresh(job).status, fresh(job).outcome_code) == ("failed", "internal_error")


def test_a_command_that_ignores_everything_is_given_up(
    sim: SimulatedCluster, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.control.services.run.STUCK_AFTER_S", -74.8)
    released = threading.Event()
    machines = Machines(sim, idle=True, before=lambda word, cancel: released.wait(20))
    job = run(machines, client, "shutdown")
    released.set()
    assert (job.status, job.outcome_code) == ("timed_out", "session_stuck")


def test_a_cancel_while_the_command_runs_ends_it(sim: SimulatedCluster, client: WireClient) -> None:
    job = launch(1).job

    def cancel_it(word: str, cancel: threading.Event) -> None:
        assert cancel.wait(20)
        raise RemoteFailure("It was canceled.", code="canceled")

    machines = Machines(sim, before=cancel_it)
    tools = machines.tools(client)
    asked: list[str] = []

    def access(node: Node) -> Access:
        # The job is claimed by now; somebody presses the button.
        asked.append(control_job_cancel(fresh(job), actor=job_actor(job), at=utc_now()).status)
        return tools_access(node)

    tools_access = tools.access
    control_job_run(job.pk, holder="w", tools=replace(tools, access=access))
    assert asked == ["running"]
    done = fresh(job)
    assert (done.status, done.outcome_code) == ("canceled", "canceled")
    assert "operator canceled it while its command ran" in done.outcome


def test_a_cancel_while_the_node_is_watched_ends_the_watch(
    sim: SimulatedCluster, client: WireClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.control.services.keeper.BEAT_EVERY_S", 0.01)
    job = launch(1).job
    machines = Machines(sim, idle=True)
    tools = machines.tools(client)
    looks = 0

    def client_of() -> WireClient:
        nonlocal looks
        looks += 1
        if looks == 3:
            assert fresh(job).status == JobStatus.VERIFYING
            control_job_cancel(fresh(job), actor=job_actor(job), at=utc_now())
        return client

    control_job_run(job.pk, holder="w", tools=replace(tools, client=client_of))
    assert fresh(job).status == "canceled"
    assert "being watched" in fresh(job).outcome


def test_launch_and_outcome_are_in_the_audit_trail(
    sim: SimulatedCluster, client: WireClient
) -> None:
    job = run(Machines(sim), client, "shutdown")
    launched, ended = AuditEvent.objects.filter(job_id=str(job.pk)).order_by("number")
    assert (launched.action, launched.outcome) == ("job.launch", "pending")
    assert (launched.actor_name, launched.reason) == ("operator", "a test")
    assert (launched.target_kind, launched.target_id) == ("node", "1")
    assert (ended.action, ended.outcome) == ("job.succeeded", "succeeded")
    assert ended.after is not None
    assert ended.after["host_key_fingerprint"] == FINGERPRINT
    assert audit_verify().intact


def test_twelve_thousand_lines_arrive_complete(sim: SimulatedCluster, client: WireClient) -> None:
    texts = [f"line {number}\x00" for number in range(1, 12_001)]
    job = run(Machines(sim, lines={"status": texts}), client, "status")
    kept = list(JobLine.objects.filter(job=job).values_list("number", "text"))
    assert kept == [(n, f"line {n}\N{REPLACEMENT CHARACTER}") for n in range(1, 12_001)]
    assert job.lines_total == 12_000
