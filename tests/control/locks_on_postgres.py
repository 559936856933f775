"""Who waits for whose row: only PostgreSQL locks rows, so `test_locks` runs these there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from apps.audit.models import AuditHead
from apps.audit.services import Actor
from apps.cluster.models import Cluster
from apps.cluster.services import cluster_touch
from apps.common.request_context import RequestContext
from apps.common.time import utc_now
from apps.control.models import ControlJob, JobBatch, JobStatus
from apps.control.services import Order
from apps.control.services.launch import jobs_add
from apps.control.services.progress import control_job_cancel
from apps.control.services.rolling import (
    BatchOrder,
    batch_cancel,
    batch_launch,
    batch_pause,
    batch_resume,
)
from apps.nodes.maintenance import maintenance_begin
from apps.nodes.models import Node
from apps.nodes.services import nodes_lock
from tests.browser import roles_restore
from tests.control import kit

# Named apps are emptied with all that points at them: a library's unused table does here.
APPS = [config.name for config in apps.get_app_configs()]
pytestmark = pytest.mark.django_db(transaction=True, available_apps=APPS)
SOON_S = 20


class Beside(threading.Thread):
    """Work on a connection of its own; `result` gives back what it raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.work = work
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            connection.close()

    def result(self) -> None:
        self.join(SOON_S)
        assert not self.is_alive(), "it still waits"
        if self.error is not None:
            raise self.error


def begun(work: Callable[[], object]) -> Beside:
    thread = Beside(work)
    thread.start()
    return thread


def wait_until_somebody_waits() -> None:
    """Until a connection waits for a lock of another one."""
    for _ in range(SOON_S * 50):
        with connection.cursor() as cursor:
            # Within a transaction what others do is kept as it was first looked at.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


def batch_make(*, size: int = 2) -> JobBatch:
    wanted = BatchOrder(
        order=Order(action="restart", reason="a test", confirmed=True, fresh=True), size=size
    )
    cluster = Cluster.objects.get()
    nodes = list(Node.objects.order_by("node_id"))
    return batch_launch(
        cluster=cluster, nodes=nodes, user=kit.operator(), wanted=wanted, at=utc_now()
    ).batch


@pytest.fixture(autouse=True)
def _cluster(tables_can_be_emptied: None, transactional_db: None) -> None:
    roles_restore()
    kit.cluster_with_nodes(4)


def test_what_is_paused_or_resumed_leaves_the_cluster_s_row_alone() -> None:
    """A launch holds the trail's head and wants the cluster's row next: whoever held that row
    and wanted the head would wait for it, and it for them.
    """
    batch, actor = batch_make(), Actor.of(kit.operator())
    for step, status in ((batch_pause, "paused"), (batch_resume, "running")):
        with transaction.atomic():
            cluster_touch(batch.cluster)
            begun(lambda step=step: step(batch, actor=actor, at=utc_now())).result()  # type: ignore[misc]
        batch.refresh_from_db()
        assert batch.status == status


def test_a_canceled_batch_that_waits_for_a_job_holds_nothing_that_the_job_needs() -> None:
    batch = batch_make()
    jobs = list(ControlJob.objects.order_by("pk"))
    assert len(jobs) == 2
    with transaction.atomic():
        ControlJob.objects.select_for_update().get(pk=jobs[1].pk)
        cancel = begun(lambda: batch_cancel(batch, actor=Actor.portal(), at=utc_now()))
        wait_until_somebody_waits()
        AuditHead.objects.select_for_update(nowait=True).get()
        Node.objects.select_for_update(nowait=True).get(pk=jobs[1].node_id)
        Cluster.objects.select_for_update(nowait=True).get()
    cancel.result()
    assert {job.status for job in ControlJob.objects.all()} == {JobStatus.CANCELED}


def test_two_launches_on_the_same_nodes_wait_in_one_line() -> None:
    """Whatever the order in which each of them was told its nodes."""
    nodes, user = list(Node.objects.order_by("pk")), kit.operator()
    order = Order(action="status", confirmed=True, fresh=True, by_script=True)

    def launch(chosen: list[Node]) -> list[ControlJob]:
        with transaction.atomic():
            return jobs_add(
                chosen,
                user=user,
                order=order,
                warnings=[],
                at=utc_now(),
                where=RequestContext(),
            )

    with transaction.atomic():
        launch(nodes[:1])
        second = begun(lambda: launch(nodes[::-1]))
        wait_until_somebody_waits()
        launch(nodes[1:])  # the second one waits for node 0, and has taken none of these
    with pytest.raises(IntegrityError):
        second.result()
    assert ControlJob.objects.count() == len(nodes)


def test_a_job_ends_while_maintenance_of_its_node_begins() -> None:
    job = kit.launch(0, "restart").job
    with transaction.atomic():
        nodes_lock([job.node_id])
        end = begun(lambda: control_job_cancel(job, actor=Actor.portal(), at=utc_now()))
        wait_until_somebody_waits()
        maintenance_begin(
            job.node, actor=Actor.portal(), reason="new disk", until=None, at=utc_now()
        )
    end.result()
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELED
