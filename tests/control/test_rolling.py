"""One action on several nodes: as many at a time as asked, each after the verified one before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from apps.accounts.errors import FreshSignInNeeded
from apps.accounts.models import User
from apps.audit.models import AuditEvent
from apps.audit.services import Actor
from apps.common.time import utc_now
from apps.control.errors import (
    BatchConflict,
    BatchInvalid,
    ConfirmNeeded,
    IdempotencyReused,
    NotAllowed,
    ReadOnly,
    ReasonMissing,
)
from apps.control.models import ACTIVE, ControlJob, JobBatch, JobStatus
from apps.control.services import (
    BatchOrder,
    Order,
    batch_cancel,
    batch_launch,
    batch_pause,
    batch_resume,
    batches_advance,
    control_job_cancel,
    control_job_run,
    job_followed_up,
    jobs_reap,
)
from apps.control.services.progress import job_claim
from apps.control.services.rolling import batch_advance
from apps.nodes.models import Node
from apps.runtime.simulated import SimOptions, SimulatedCluster
from apps.runtime.wire.client import WireClient
from tests.accounts.people import person_make
from tests.control.kit import Machines, cluster_of_sim, launch, node_of, operator, watch_shortly

pytestmark = pytest.mark.django_db
NODES = 4
ANN = Actor(None, "ann")
DONE = ["succeeded"] * NODES


@dataclass
class Fleet:
    """Simulated nodes, and what a Celery worker would do, turn by turn."""

    machines: Machines
    client: WireClient
    most_at_once: int = 0
    order: list[int] = field(default_factory=list)

    def active(self) -> list[ControlJob]:
        return list(ControlJob.objects.filter(status__in=ACTIVE).order_by("pk"))

    def work(self, *, turns: int = 100, after: Callable[[int], object] | None = None) -> None:
        """Run queued jobs, the oldest first; `after` is called with each one's node."""
        for _ in range(turns):
            queued = ControlJob.objects.filter(status=JobStatus.QUEUED).order_by("pk")
            self.most_at_once = max(self.most_at_once, len(self.active()))
            job = queued.first()
            if job is None:
                return
            self.order.append(job.node_number)
            control_job_run(job.pk, holder="w", tools=self.machines.tools(self.client))
            if after is not None:
                after(job.node_number)
            job_followed_up(job.pk, at=utc_now())


@pytest.fixture
def fleet(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    with SimulatedCluster(SimOptions(nodes=NODES, port=0)) as sim, WireClient() as client:
        cluster_of_sim(sim)
        watch_shortly(monkeypatch)
        yield Fleet(Machines(sim), client)


def roll(
    action: str = "restart",
    *,
    nodes: list[int] | None = None,
    size: int = 1,
    stop_on_failure: bool = True,
    user: User | None = None,
    **order: Any,
) -> JobBatch:
    chosen = [node_of(node_id) for node_id in (nodes or list(range(NODES)))]
    given: dict[str, Any] = {"reason": "a test", "confirmed": True, "fresh": True, **order}
    return batch_launch(
        cluster=chosen[0].cluster,
        nodes=chosen,
        user=user or operator(),
        wanted=BatchOrder(
            order=Order(action=action, **given), size=size, stop_on_failure=stop_on_failure
        ),
        at=utc_now(),
    ).batch


def turns(batch: JobBatch) -> list[str]:
    """Of each node, its job's status; waiting or skipped when it has none."""
    items = batch.items.select_related("job").order_by("position")
    return [item.job.status if item.job else item.status for item in items]


def fresh(batch: JobBatch) -> JobBatch:
    return JobBatch.objects.get(pk=batch.pk)


# --- the way it should go


@pytest.mark.parametrize(("size", "together"), [(1, 1), (2, 2), (3, 3), (0, 4), (99, 4)])
def test_as_many_at_a_time_as_asked_until_all_are_done(
    fleet: Fleet, size: int, together: int
) -> None:
    batch = roll(size=size)
    assert turns(batch).count("queued") == together
    fleet.work()
    assert fleet.most_at_once == together
    assert fleet.order == [0, 1, 2, 3]
    assert turns(batch) == DONE
    done = fresh(batch)
    assert (done.status, done.outcome) == ("succeeded", "4 of 4 nodes are done.")
    assert done.finished_at is not None


def test_the_next_begins_only_when_the_one_before_is_verified(fleet: Fleet) -> None:
    """While a node is stopped, started or watched, the next one is not touched."""
    roll()
    seen: list[tuple[str, list[str]]] = []

    def look(word: str, cancel: threading.Event) -> None:
        seen.append((word, turns(JobBatch.objects.get())))

    fleet.machines.before = lambda word, cancel: None
    fleet.work(after=lambda node: look(str(node), threading.Event()))
    for position, (_, statuses) in enumerate(seen):
        assert statuses[: position + 1] == ["succeeded"] * (position + 1)
        assert set(statuses[position + 1 :]) <= {"waiting"}
    restarted = [job.boot_before != job.boot_after for job in ControlJob.objects.all()]
    assert restarted == [True] * NODES


def test_a_rolling_shutdown_ends_with_every_node_down(fleet: Fleet) -> None:
    batch = roll("shutdown", size=2)
    fleet.work()
    assert fresh(batch).status == "succeeded"
    assert fleet.machines.ran == [(node, "stop") for node in range(NODES)]


def test_order_and_outcome_are_in_the_audit_trail(fleet: Fleet) -> None:
    batch = roll(nodes=[1, 2], reason="kernel update")
    batch_pause(batch, actor=ANN, at=utc_now())
    batch_resume(batch, actor=ANN, at=utc_now())
    fleet.work()
    events = AuditEvent.objects.filter(target_kind="batch").order_by("number")
    assert [(event.action, event.actor_name, event.outcome) for event in events] == [
        ("batch.launch", "operator", "pending"),
        ("batch.paused", "ann", "succeeded"),
        ("batch.resumed", "ann", "succeeded"),
        ("batch.succeeded", "portal", "succeeded"),
    ]
    assert (events[0].after or {})["nodes"] == [1, 2]
    assert {event.reason for event in events} == {"kernel update"}
    launches = AuditEvent.objects.filter(action="job.launch")
    assert [(event.after or {})["batch"] for event in launches] == [batch.pk] * 2


# --- when something is wrong


def test_the_first_failure_stops_it(fleet: Fleet) -> None:
    def break_after(node: int) -> None:
        fleet.machines.idle = node == 0  # from then on commands do nothing

    batch = roll()
    fleet.work(after=break_after)
    assert turns(batch) == ["succeeded", "failed", "skipped", "skipped"]
    done = fresh(batch)
    assert (done.status, done.outcome) == ("failed", "1 of 4 nodes are done.")
    failed = ControlJob.objects.get(status="failed")
    notes = set(batch.items.filter(status="skipped").values_list("note", flat=True))
    assert notes == {f"Not begun: node 1's job {failed.pk} failed."}
    assert [node for node, _ in fleet.machines.ran] == [0, 0, 1]


def test_those_that_run_beside_a_failure_go_on_to_their_end(fleet: Fleet) -> None:
    fleet.machines.exit_codes = {"stop": 3}

    def mend_after(node: int) -> None:
        fleet.machines.exit_codes = {}

    batch = roll(size=2)
    fleet.work(after=mend_after)
    assert turns(batch) == ["failed", "succeeded", "skipped", "skipped"]
    assert fresh(batch).status == "failed"


def test_it_goes_on_past_a_failure_when_told_to(fleet: Fleet) -> None:
    fleet.machines.exit_codes = {"stop": 3}

    def mend_after(node: int) -> None:
        fleet.machines.exit_codes = {}

    batch = roll(stop_on_failure=False)
    fleet.work(after=mend_after)
    assert turns(batch) == ["failed", "succeeded", "succeeded", "succeeded"]
    done = fresh(batch)
    assert (done.status, done.outcome) == ("failed", "3 of 4 nodes are done.")


def test_a_job_whose_worker_died_stops_it(fleet: Fleet) -> None:
    batch = roll()
    first = fleet.active()[0]
    assert job_claim(first.pk, holder="dead", at=utc_now()) is not None
    for seconds in (31, 45):
        jobs_reap(at=utc_now() + timedelta(seconds=seconds))
    batches_advance(at=utc_now())
    assert turns(batch) == ["lost", "skipped", "skipped", "skipped"]
    assert fresh(batch).status == "failed"


def test_a_worker_that_dies_between_two_nodes_does_not_end_it(fleet: Fleet) -> None:
    """The job is over and its follow-up never came: the regular look goes on with the batch."""
    batch = roll(nodes=[0, 1])
    [first] = fleet.active()
    control_job_run(first.pk, holder="w", tools=fleet.machines.tools(fleet.client))
    assert turns(batch) == ["succeeded", "waiting"]
    batches_advance(at=utc_now())
    assert turns(batch) == ["succeeded", "queued"]
    fleet.work()
    assert fresh(batch).status == "succeeded"


def test_however_often_it_is_advanced_a_node_has_one_turn(fleet: Fleet) -> None:
    batch = roll(size=2)
    for _ in range(5):
        batch_advance(batch.pk, at=utc_now())
    assert turns(batch) == ["queued", "queued", "waiting", "waiting"]
    fleet.work()
    batch_advance(batch.pk, at=utc_now())
    assert ControlJob.objects.count() == NODES


def test_a_busy_node_is_waited_for_and_the_others_go_ahead(fleet: Fleet) -> None:
    other = launch(1, "status").job
    batch = roll()
    [mine] = [job for job in fleet.active() if job.pk != other.pk]
    control_job_run(mine.pk, holder="w", tools=fleet.machines.tools(fleet.client))
    job_followed_up(mine.pk, at=utc_now())
    assert turns(batch) == ["succeeded", "waiting", "queued", "waiting"]
    assert f"job {other.pk}" in batch.items.get(position=1).note
    fleet.work(turns=1)  # the other's
    batches_advance(at=utc_now())
    fleet.work()
    assert turns(batch) == DONE
    assert fresh(batch).status == "succeeded"


def test_a_node_that_left_the_host_list_is_left_out(fleet: Fleet) -> None:
    batch = roll()
    Node.objects.filter(node_id=2).update(node_id=None, retired_at=utc_now())
    fleet.work()
    assert turns(batch) == ["succeeded", "succeeded", "skipped", "succeeded"]
    assert fresh(batch).outcome == "3 of 4 nodes are done."


def test_a_role_that_is_taken_away_ends_it(fleet: Fleet) -> None:
    batch = roll()
    fleet.work(after=lambda node: operator().groups.clear())
    assert turns(batch) == ["succeeded", "skipped", "skipped", "skipped"]
    assert "role" in batch.items.get(position=1).note
    assert fresh(batch).status == "failed"


def test_the_read_only_switch_ends_it(fleet: Fleet, settings: Settings) -> None:
    batch = roll()

    def switch(node: int) -> None:
        settings.PORTAL_READ_ONLY = True

    fleet.work(after=switch)
    assert turns(batch) == ["succeeded", "skipped", "skipped", "skipped"]
    assert "read-only" in batch.items.get(position=1).note


# --- pause, resume, cancel


def test_a_pause_lets_what_runs_end_and_begins_nothing(fleet: Fleet) -> None:
    batch = roll()
    batch_pause(batch, actor=ANN, at=utc_now())
    fleet.work()
    batches_advance(at=utc_now())
    assert turns(batch) == ["succeeded", "waiting", "waiting", "waiting"]
    assert fresh(batch).status == "paused"
    with pytest.raises(BatchConflict):
        batch_pause(batch, actor=ANN, at=utc_now())
    batch_resume(batch, actor=ANN, at=utc_now())
    assert turns(batch) == ["succeeded", "queued", "waiting", "waiting"]
    fleet.work()
    assert fresh(batch).status == "succeeded"
    with pytest.raises(BatchConflict):
        batch_resume(batch, actor=ANN, at=utc_now())


def test_a_failure_during_a_pause_ends_it(fleet: Fleet) -> None:
    fleet.machines.exit_codes = {"stop": 3}
    batch = roll()
    batch_pause(batch, actor=ANN, at=utc_now())
    fleet.work()
    assert turns(batch) == ["failed", "skipped", "skipped", "skipped"]
    assert fresh(batch).status == "failed"


def test_a_cancel_ends_what_is_queued_and_asks_what_runs(fleet: Fleet) -> None:
    batch = roll(size=2)
    first, _ = fleet.active()
    assert job_claim(first.pk, holder="w", at=utc_now()) is not None
    batch_cancel(batch, actor=ANN, at=utc_now())
    assert turns(batch) == ["running", "canceled", "skipped", "skipped"]
    first.refresh_from_db()
    assert first.cancel_requested_by == "ann"
    assert fresh(batch).status == "canceled"
    with pytest.raises(BatchConflict):
        batch_cancel(batch, actor=ANN, at=utc_now())
    batches_advance(at=utc_now())
    assert turns(batch) == ["running", "canceled", "skipped", "skipped"]


def test_one_job_that_is_canceled_counts_as_a_failure(fleet: Fleet) -> None:
    batch = roll()
    control_job_cancel(fleet.active()[0], actor=ANN, at=utc_now())
    batches_advance(at=utc_now())
    assert turns(batch) == ["canceled", "skipped", "skipped", "skipped"]
    assert fresh(batch).status == "failed"


# --- the order


@pytest.mark.parametrize("action", ["shutdown", "restart"])
def test_a_warning_is_confirmed_for_the_leader(fleet: Fleet, action: str) -> None:
    Node.objects.filter(node_id=1).update(is_leader=True)
    with pytest.raises(ConfirmNeeded) as asked:
        roll(action, confirmed=False)
    assert "leads the cluster" in str(asked.value)
    assert not JobBatch.objects.exists()
    assert roll(action).warnings


@pytest.mark.parametrize(
    ("action", "size", "words"),
    [
        ("restart", 0, "All 4 nodes that are alive go down at the same time."),
        ("shutdown", 1, "All 4 nodes that are alive go down at the same time."),
        ("restart", 1, "All 4 nodes that are alive go down, 1 at a time."),
    ],
)
def test_the_whole_cluster_is_confirmed_and_asks_for_a_fresh_password(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, action: str, size: int, words: str
) -> None:
    monkeypatch.setattr("apps.control.warnings.host_is_local", lambda host: False)
    Node.objects.update(is_leader=False)
    with pytest.raises(ConfirmNeeded) as asked:
        roll(action, size=size, confirmed=False)
    assert asked.value.extra == {"warnings": [words]}
    with pytest.raises(FreshSignInNeeded):
        roll(action, size=size, fresh=False)
    assert not JobBatch.objects.exists()
    assert roll(action, size=size).warnings == [words]


def test_a_part_of_the_cluster_needs_neither(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.control.warnings.host_is_local", lambda host: False)
    Node.objects.update(is_leader=False)
    assert roll("restart", nodes=[1, 2, 3], confirmed=False, fresh=False).warnings == []


def test_the_same_key_is_one_batch_and_another_order_is_refused(fleet: Fleet) -> None:
    first = roll(nodes=[0, 1], idempotency_key="k")
    assert roll(nodes=[0, 1], idempotency_key="k").pk == first.pk
    for other in (
        {"nodes": [0, 2]},
        {"nodes": [0, 1], "size": 2},
        {"nodes": [0, 1], "reason": "x"},
    ):
        with pytest.raises(IdempotencyReused):
            roll(**{"idempotency_key": "k", **other})  # type: ignore[arg-type]
    assert ControlJob.objects.count() == 1


def test_what_is_not_allowed_begins_nothing(fleet: Fleet, settings: Settings) -> None:
    from apps.accounts.roles import Role

    with pytest.raises(NotAllowed):
        roll(user=person_make(Role.VIEWER))
    with pytest.raises(ReasonMissing):
        roll(reason="  ")
    with pytest.raises(BatchInvalid):
        roll(nodes=[1, 1])
    settings.PORTAL_READ_ONLY = True
    with pytest.raises(ReadOnly):
        roll()
    assert not JobBatch.objects.exists()
    assert not ControlJob.objects.exists()
