"""A job runs once: whatever comes twice, is lost, dies or is away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from kombu.exceptions import OperationalError as BrokerError
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.audit.services import Actor
from apps.common.time import utc_now
from apps.control.errors import JobOver, NodeBusy
from apps.control.models import (
    ACTIVE,
    FINAL,
    TRANSITIONS,
    ControlJob,
    JobCheck,
    JobLine,
    JobStatus,
    JobTransition,
)
from apps.control.services import (
    control_job_cancel,
    control_job_run,
    control_tend,
    jobs_dispatch_again,
    jobs_reap,
)
from apps.control.services.dispatch import RUN_TASK
from apps.control.services.progress import (
    Ending,
    job_claim,
    job_finish,
    job_heartbeat,
    job_verify,
)
from apps.control.services.records import WrongTransition, job_move
from apps.runtime.simulated import SimOptions, SimulatedCluster
from apps.runtime.wire.client import WireClient
from tests.control.kit import Machines, cluster_of_sim, cluster_with_nodes, fresh, launch

pytestmark = pytest.mark.django_db
ANN = Actor(None, "ann")
DONE = Ending(status=JobStatus.SUCCEEDED, code="done", outcome="It is down.")


@pytest.fixture
def nodes(db: None) -> None:
    cluster_with_nodes()


@pytest.fixture
def machines(db: None) -> Iterator[tuple[Machines, WireClient]]:
    with SimulatedCluster(SimOptions(nodes=2, port=0)) as sim, WireClient() as client:
        cluster_of_sim(sim)
        yield Machines(sim), client


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Keys of the jobs whose messages went out."""
    messages: list[int] = []

    def send_task(name: str, *, args: tuple[int], **options: Any) -> None:
        assert (name, options["queue"]) == (RUN_TASK, "control")
        messages.append(args[0])

    monkeypatch.setattr(SEND, send_task)
    return messages


SEND = "apps.control.services.dispatch.current_app.send_task"


def in_s(seconds: float) -> datetime:
    return utc_now() + timedelta(seconds=seconds)


def begun(node_id: int = 1, *, status: JobStatus = JobStatus.RUNNING) -> ControlJob:
    """A job whose Celery worker then dies."""
    job = job_claim(launch(node_id).job.pk, holder="dead", at=utc_now())
    assert job is not None
    if status == JobStatus.VERIFYING:
        assert job_verify(job, at=utc_now())
    return job


# --- once


def test_a_message_that_comes_twice_runs_it_once(machines: tuple[Machines, WireClient]) -> None:
    machine, client = machines
    job = launch(1).job
    ran = [control_job_run(job.pk, holder=h, tools=machine.tools(client)) for h in ("a", "b", "c")]
    assert ran == [True, False, False]
    assert machine.ran == [(1, "stop")]


@pytest.mark.usefixtures("nodes")
def test_one_claim_of_many_succeeds() -> None:
    pk = launch(1).job.pk
    claims = [job_claim(pk, holder=str(n), at=utc_now()) for n in range(5)]
    assert [claim is not None for claim in claims] == [True, False, False, False, False]


@pytest.mark.usefixtures("nodes")
def test_a_claim_with_an_old_reading_of_the_row_fails() -> None:
    first = launch(1).job
    stale = fresh(first)
    assert job_claim(first.pk, holder="a", at=utc_now())
    assert not job_move(stale, to=JobStatus.RUNNING, by="b", at=utc_now())
    assert fresh(first).lease_holder == "a"


@pytest.mark.usefixtures("nodes")
def test_a_second_action_on_the_node_is_refused_until_the_first_is_over() -> None:
    job = launch(1).job
    with pytest.raises(NodeBusy) as refused:
        launch(1, "restart")
    assert refused.value.extra["job"] == job.pk
    assert launch(2).created
    control_job_cancel(job, actor=ANN, at=utc_now())
    assert launch(1).created


@pytest.mark.usefixtures("nodes")
def test_the_database_itself_allows_one_active_job_per_node() -> None:
    from django.db import IntegrityError, transaction

    job = launch(1).job
    job.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        job.save(force_insert=True)


# --- the message


@pytest.mark.usefixtures("nodes")
def test_the_message_goes_out_on_commit(
    sent: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        job = launch(1).job
        assert sent == []
    assert sent == [job.pk]
    assert (fresh(job).dispatch_count, fresh(job).dispatched_at is None) == (1, False)


@pytest.mark.usefixtures("nodes")
def test_with_the_broker_down_the_job_is_accepted_and_sent_later(
    sent: list[int], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def send_task(*args: Any, **options: Any) -> None:
        raise BrokerError("Connection refused")

    with monkeypatch.context() as away:
        away.setattr(SEND, send_task)
        with django_capture_on_commit_callbacks(execute=True):
            job = launch(1).job
        assert jobs_dispatch_again(at=in_s(2)) == 0
        assert fresh(job).dispatched_at is None
    assert jobs_dispatch_again(at=in_s(4)) == 1
    assert sent == [job.pk]


@pytest.mark.usefixtures("nodes")
def test_a_lost_message_is_sent_again_ever_more_rarely(
    sent: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        launch(1)
    start = utc_now()
    for second in range(0, 400, 2):
        jobs_dispatch_again(at=start + timedelta(seconds=second))
    assert 4 <= len(sent) <= 5


@pytest.mark.usefixtures("nodes")
def test_a_job_that_nobody_begins_is_closed_and_then_not_run(settings: Settings) -> None:
    settings.PORTAL_JOB_QUEUE_LIMIT_S = 60
    job = launch(1).job
    assert jobs_reap(at=in_s(59)) == []
    assert jobs_reap(at=in_s(61)) == [job.pk]
    done = fresh(job)
    assert (done.status, done.outcome_code) == ("timed_out", "not_begun")
    assert "Nothing was done" in done.outcome
    assert job_claim(job.pk, holder="late", at=in_s(62)) is None


@pytest.mark.usefixtures("nodes")
def test_tending_costs_two_queries_while_nothing_is_under_way(
    settings: Settings, django_assert_num_queries: Any
) -> None:
    settings.PORTAL_JOB_QUEUE_LIMIT_S = 60
    with django_assert_num_queries(2):
        control_tend(at=in_s(0))
    job = launch(1).job
    control_tend(at=in_s(61))
    assert fresh(job).status == "timed_out"
    with django_assert_num_queries(2):
        control_tend(at=in_s(62))


@pytest.mark.usefixtures("nodes")
def test_a_claim_that_comes_too_late_closes_the_job(settings: Settings) -> None:
    settings.PORTAL_JOB_QUEUE_LIMIT_S = 60
    job = launch(1).job
    assert job_claim(job.pk, holder="w", at=in_s(61)) is None
    assert fresh(job).status == "timed_out"


# --- the reaper


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("status", [JobStatus.RUNNING, JobStatus.VERIFYING])
def test_what_its_worker_abandoned_is_lost_and_never_run_again(
    status: JobStatus, sent: list[int]
) -> None:
    job = begun(status=status)
    assert jobs_reap(at=in_s(29)) == []
    assert jobs_reap(at=in_s(31)) == []  # the first look
    assert jobs_reap(at=in_s(35)) == []
    assert jobs_reap(at=in_s(42)) == [job.pk]
    done = fresh(job)
    assert (done.status, done.outcome_code) == ("lost", "worker_lost")
    assert "dead" in done.outcome
    assert "not tried again" in done.outcome
    jobs_dispatch_again(at=in_s(100))
    assert sent == []
    assert job_claim(job.pk, holder="b", at=in_s(100)) is None
    assert AuditEvent.objects.filter(action="job.lost", job_id=str(job.pk)).count() == 1


@pytest.mark.usefixtures("nodes")
def test_a_sign_of_life_between_the_two_looks_saves_it() -> None:
    job = begun()
    jobs_reap(at=in_s(31))
    assert job_heartbeat(job, at=in_s(40)).mine
    assert jobs_reap(at=in_s(60)) == []
    assert fresh(job).status == "running"


@pytest.mark.usefixtures("nodes")
def test_the_result_of_a_job_that_was_given_up_is_added_not_lost() -> None:
    job = begun()
    jobs_reap(at=in_s(31))
    jobs_reap(at=in_s(42))
    assert not job_heartbeat(job, at=in_s(43)).mine
    assert not job_finish(job, DONE, at=in_s(44))
    done = fresh(job)
    assert done.status == "lost"
    late = JobCheck.objects.get(job=job, phase="late")
    assert "It is down." in late.found
    assert AuditEvent.objects.filter(action="job.late_result").count() == 1


@pytest.mark.usefixtures("nodes")
def test_an_end_that_is_stored_twice_is_one_end() -> None:
    job = begun()
    assert job_finish(job, DONE, at=utc_now())
    assert not job_finish(job, DONE, at=utc_now())
    assert AuditEvent.objects.filter(job_id=str(job.pk)).count() == 2
    assert not JobCheck.objects.filter(job=job).exists()


# --- the database is away


def test_a_database_that_is_away_loses_neither_output_nor_result(
    machines: tuple[Machines, WireClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every statement fails from the command's start until after its end."""
    monkeypatch.setattr("apps.control.services.keeper.STORE_AGAIN_S", 0.05)
    machine, client = machines
    machine.lines["stop"] = [f"line {n}" for n in range(1, 101)]
    job = launch(1).job
    refused = 0
    wrappers = connection.execute_wrappers  # the command runs on a thread with its own

    def away(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal refused
        refused += 1
        if refused <= 12:
            raise OperationalError("the connection is lost")
        return execute(sql, params, many, context)

    def cut(word: str, cancel: object) -> None:
        wrappers.append(away)

    machine.before = cut
    try:
        assert control_job_run(job.pk, holder="w", tools=machine.tools(client))
    finally:
        wrappers.clear()
    done = fresh(job)
    assert refused > 12
    assert (done.status, done.lines_total) == ("succeeded", 100)
    numbers = list(JobLine.objects.filter(job=job).values_list("number", flat=True))
    assert numbers == list(range(1, 101))
    assert JobCheck.objects.filter(job=job, phase="down", reached=True).count() == 1


def test_a_database_that_stays_away_leaves_the_result_in_the_log(
    machines: tuple[Machines, WireClient],
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("apps.control.services.keeper.STORE_AGAIN_S", 0.01)
    settings.PORTAL_JOB_STORE_LIMIT_S = 0.05

    def away(*args: object, **kwargs: object) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr("apps.control.services.keeper.job_finish", away)
    machine, client = machines
    job = launch(1).job
    control_job_run(job.pk, holder="w", tools=machine.tools(client))
    assert fresh(job).status in ACTIVE
    assert "It is down, as seen from the portal." in caplog.text
    jobs_reap(at=in_s(40))
    assert jobs_reap(at=in_s(60)) == [job.pk]
    assert fresh(job).status == "lost"


# --- the state machine


def test_final_statuses_are_final() -> None:
    assert all(not TRANSITIONS[status] for status in FINAL)
    assert set(TRANSITIONS) == set(JobStatus)


@pytest.mark.usefixtures("nodes")
def test_a_transition_that_does_not_exist_is_refused() -> None:
    job = launch(1).job
    with pytest.raises(WrongTransition):
        job_move(job, to=JobStatus.SUCCEEDED, by="x", at=utc_now())


class Life(RuleBasedStateMachine):
    """Anything may happen to a job, in any order, by actors that know an old state of it."""

    def __init__(self) -> None:
        super().__init__()
        JobTransition.objects.all().delete()
        ControlJob.objects.all().delete()
        self.job = launch(1).job
        self.claims: list[ControlJob] = []
        self.at = utc_now()
        self.ended_as = ""

    @rule(seconds=st.integers(1, 400))
    def time_goes_by(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)

    @rule()
    def a_message_comes(self) -> None:
        claimed = job_claim(self.job.pk, holder=f"w{len(self.claims)}", at=self.at)
        if claimed is not None:
            self.claims.append(claimed)

    @rule()
    def it_verifies(self) -> None:
        for claim in self.claims:
            if claim.status == JobStatus.RUNNING:
                job_verify(claim, at=self.at)

    @rule()
    def a_sign_of_life(self) -> None:
        for claim in self.claims:
            job_heartbeat(claim, at=self.at)

    @rule(status=st.sampled_from([s for s in FINAL if s != JobStatus.LOST]))
    def it_ends(self, status: JobStatus) -> None:
        for claim in self.claims:
            job_finish(claim, Ending(status=status, code="x", outcome="x"), at=self.at)

    @rule()
    def somebody_cancels(self) -> None:
        try:
            control_job_cancel(self.job, actor=ANN, at=self.at)
        except JobOver:
            assert fresh(self.job).is_final

    @rule()
    def the_reaper_looks(self) -> None:
        jobs_reap(at=self.at)

    @invariant()
    def it_ran_at_most_once_and_an_end_is_an_end(self) -> None:
        job = fresh(self.job)
        steps = [(row.from_status, row.to_status) for row in JobTransition.objects.filter(job=job)]
        assert len(self.claims) <= 1
        assert steps[0] == ("", "queued")
        assert all(JobStatus(new) in TRANSITIONS[JobStatus(old)] for old, new in steps[1:])
        assert [old for old, _ in steps[1:]] == [new for _, new in steps[:-1]]
        assert steps[-1][1] == job.status
        if self.ended_as:
            assert job.status == self.ended_as
        self.ended_as = job.status if job.is_final else ""
        assert (job.finished_at is not None) == job.is_final

    def teardown(self) -> None:
        """Left alone, every job comes to an end."""
        for _ in range(3):
            self.at += timedelta(hours=1)
            jobs_reap(at=self.at)
        assert fresh(self.job).is_final


@pytest.mark.usefixtures("nodes")
def test_every_story_of_a_job_keeps_the_rules() -> None:
    run_state_machine_as_test(
        Life,
        settings=hypothesis_settings(
            max_examples=25, stateful_step_count=12, deadline=None, derandomize=True, database=None
        ),
    )
