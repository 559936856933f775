"""One action on several nodes, some at a time: the next begin when those are verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import DatabaseError, IntegrityError, transaction

from apps.accounts.models import User
from apps.audit.models import Outcome
from apps.audit.services import Actor, AuditTarget, audit_record
from apps.cluster.models import Cluster
from apps.common.request_context import RequestContext, request_context
from apps.control.errors import (
    BatchConflict,
    BatchInvalid,
    IdempotencyReused,
    NodeBusy,
    NotAllowed,
    ReadOnly,
)
from apps.control.models import (
    FINAL,
    BatchItem,
    BatchStatus,
    ControlJob,
    ItemStatus,
    JobBatch,
    JobStatus,
)
from apps.control.models.batches import OPEN
from apps.control.parameters import ParameterWrong
from apps.control.services.launch import (
    Order,
    jobs_add,
    node_number,
    order_check,
    warnings_check,
)
from apps.control.services.progress import control_job_cancel
from apps.control.warnings import warnings_of
from apps.nodes.models import Node
from apps.nodes.services import nodes_lock

log = structlog.get_logger(__name__)

MOST_NODES = 2000
UNSUCCESSFUL = frozenset(FINAL) - {JobStatus.SUCCEEDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrder:
    """What is asked for; `size` nodes at a time, 0: all at once."""

    order: Order
    size: int = 1
    stop_on_failure: bool = True


@dataclass(frozen=True, slots=True)
class BatchLaunched:
    batch: JobBatch
    created: bool


def batch_launch(
    *, cluster: Cluster, nodes: Sequence[Node], user: User, wanted: BatchOrder, at: datetime
) -> BatchLaunched:
    """Queue the action on each of `nodes`, in their order, and begin with the first ones.

    Raises what `control_job_launch` raises, but for busy nodes, which are waited for; and
    BatchInvalid.
    """
    order = wanted.order
    action = order_check(order, user=user)
    if not nodes or len(nodes) > MOST_NODES:
        raise BatchInvalid(f"A batch takes 1 to {MOST_NODES} nodes; these are {len(nodes)}.")
    if len({node.pk for node in nodes}) < len(nodes):
        raise BatchInvalid("A node is named twice.")
    size = min(wanted.size or len(nodes), len(nodes))
    repeated = _repeated(wanted, nodes, user=user)
    if repeated is not None:
        return BatchLaunched(repeated, created=False)
    warnings = warnings_of(
        cluster,
        action,
        node_ids=[node_number(node) for node in nodes],
        at=at,
        # A restarted node is back before the next one goes.
        together=size if action.name == "restart" else len(nodes),
    )
    warnings_check(order, warnings)
    try:
        with transaction.atomic():
            batch = _batch_add(cluster, nodes, user, wanted, size, warnings, at=at)
    except IntegrityError:
        repeated = _repeated(wanted, nodes, user=user)
        if repeated is None:
            raise
        return BatchLaunched(repeated, created=False)
    try:
        batch_advance(batch.pk, at=at)
        batch.refresh_from_db()
    except DatabaseError as error:
        # It is launched and on the record: its nodes have their turn in a moment. Told that it
        # failed, somebody would launch it once more.
        log.warning("batch begins with the next turn", batch=batch.pk, error=str(error))
    return BatchLaunched(batch, created=True)


def _batch_add(
    cluster: Cluster,
    nodes: Sequence[Node],
    user: User,
    wanted: BatchOrder,
    size: int,
    warnings: list[str],
    *,
    at: datetime,
) -> JobBatch:
    where = request_context()
    batch = JobBatch.objects.create(
        cluster=cluster,
        action=wanted.order.action,
        size=size,
        stop_on_failure=wanted.stop_on_failure,
        requested_by=user,
        requested_by_name=user.get_username(),
        reason=wanted.order.reason.strip(),
        parameters=dict(wanted.order.parameters),
        warnings=warnings,
        address=where.address,
        request_id=where.request_id[:64],
        user_agent=where.user_agent[:300],
        idempotency_key=wanted.order.idempotency_key,
        created_at=at,
    )
    BatchItem.objects.bulk_create(
        (
            BatchItem(batch=batch, position=position, node=node, node_number=node_number(node))
            for position, node in enumerate(nodes)
        ),
        batch_size=500,
    )
    after = {
        "action": batch.action,
        "nodes": [node.node_id for node in nodes],
        "size": size,
        "stop_on_failure": batch.stop_on_failure,
        "parameters": batch.parameters,
        "warnings": warnings,
    }
    _audit(batch, "batch.launch", Actor.of(user), outcome=Outcome.PENDING, after=after, at=at)
    return batch


def _repeated(wanted: BatchOrder, nodes: Sequence[Node], *, user: User) -> JobBatch | None:
    """The batch that the same request made before. Raises IdempotencyReused for another one."""
    order = wanted.order
    if not order.idempotency_key:
        return None
    batch: JobBatch | None = JobBatch.objects.filter(
        requested_by=user, idempotency_key=order.idempotency_key
    ).first()
    if batch is None:
        return None
    asked = (order.action, order.reason.strip(), min(wanted.size or len(nodes), len(nodes)))
    same_order = (batch.action, batch.reason, batch.size) == asked
    same_order = same_order and batch.parameters == order.parameters
    same_nodes = list(batch.items.values_list("node_id", flat=True)) == [node.pk for node in nodes]
    if not same_order or not same_nodes or batch.stop_on_failure != wanted.stop_on_failure:
        raise IdempotencyReused
    return batch


def job_followed_up(pk: int, *, at: datetime) -> None:
    """A job has come to its end: its batch, if it has one, need not wait for the next turn."""
    batch_pk = ControlJob.objects.filter(pk=pk).values_list("batch_id", flat=True).first()
    if batch_pk is not None:
        batch_advance(batch_pk, at=at)


def batches_advance(*, at: datetime) -> None:
    """Take every open batch as far as it can go now."""
    for pk in JobBatch.objects.open().values_list("pk", flat=True):
        batch_advance(pk, at=at)


def batch_advance(pk: int, *, at: datetime) -> None:
    """Launch the next nodes if there is room, or close the batch when it is through.

    Whoever calls it, and however often: the batch's row is locked, a node has one turn.
    """
    if _only_waits(pk):
        return
    with transaction.atomic():
        batch = _lock(pk)
        if batch.status not in OPEN:
            return
        jobs = ControlJob.objects.filter(batch=batch)
        failed = jobs.filter(status__in=UNSUCCESSFUL).order_by("pk").first()
        active = jobs.active().count()
        if failed and batch.stop_on_failure:
            what = f"node {failed.node_number}'s job {failed.pk} {failed.get_status_display()}"
            _items_skip(batch, f"Not begun: {what}.")
        elif batch.status == BatchStatus.RUNNING:
            active += _launch_next(batch, room=batch.size - active, at=at)
        if active == 0 and not batch.items.filter(status=ItemStatus.WAITING).exists():
            _close(batch, at=at)


def _lock(pk: int) -> JobBatch:
    """The batch, locked; not its cluster with it, see `audit_record_all`."""
    rows = JobBatch.objects.select_for_update(of=("self",)).select_related("cluster")
    return rows.get(pk=pk)


def _only_waits(pk: int) -> bool:
    """Every node has had its turn, and jobs still run: there is nothing to do but to wait.

    Asked without a lock: who ends the last job comes here after that, and sees none.
    """
    waiting = BatchItem.objects.filter(batch=pk, status=ItemStatus.WAITING)
    return not waiting.exists() and ControlJob.objects.active().filter(batch=pk).exists()


def _launch_next(batch: JobBatch, *, room: int, at: datetime) -> int:
    """Launch up to `room` waiting nodes. Returns how many."""
    if room <= 0:
        return 0
    user = batch.requested_by
    order = Order(
        action=batch.action,
        reason=batch.reason,
        parameters=batch.parameters,
        confirmed=True,
        by_script=True,
    )
    try:
        if user is None:
            raise NotAllowed
        order_check(order, user=user)
    except (NotAllowed, ReadOnly, ParameterWrong) as refusal:
        # The right was taken away since, or a newer portal knows other bounds: nothing more is
        # begun in that person's name.
        _items_skip(batch, refusal.message)
        return 0
    chosen = _items_ready(batch, room=room)
    if not chosen:
        return 0
    try:
        with transaction.atomic():
            jobs = jobs_add(
                [item.node for item in chosen],
                user=user,
                order=order,
                warnings=batch.warnings,
                at=at,
                where=RequestContext(batch.request_id, batch.address, batch.user_agent),
                batch=batch,
            )
    except IntegrityError:
        return 0  # somebody was quicker; the next turn sees whom to wait for
    of_node = {job.node_id: job for job in jobs}
    for item in chosen:
        item.job, item.status, item.note = of_node[item.node_id], ItemStatus.LAUNCHED, ""
    BatchItem.objects.bulk_update(chosen, ["status", "note", "job"], batch_size=500)
    return len(chosen)


def _items_ready(batch: JobBatch, *, room: int) -> list[BatchItem]:
    """The next waiting nodes, `room` at most, that are there and not busy; the others say why."""
    waiting = list(
        BatchItem.objects.filter(batch=batch, status=ItemStatus.WAITING).select_related(
            "node__cluster"
        )
    )
    active = ControlJob.objects.active().filter(node__in=[item.node_id for item in waiting])
    busy = {job.node_id: job for job in active}
    ready: list[BatchItem] = []
    for item in waiting:
        if len(ready) == room:
            break
        if item.node.retired_at is not None or item.node.node_id is None:
            _item_set(item, ItemStatus.SKIPPED, "It left the host list.")
        elif item.node_id not in busy:
            ready.append(item)
        elif item.note != (message := NodeBusy(busy[item.node_id]).message):
            _item_set(item, ItemStatus.WAITING, message)
    return ready


def _item_set(item: BatchItem, status: ItemStatus, note: str) -> None:
    item.status = status
    item.note = note
    item.save(update_fields=["status", "note"])


def _items_skip(batch: JobBatch, note: str) -> None:
    batch.items.filter(status=ItemStatus.WAITING).update(status=ItemStatus.SKIPPED, note=note)


def _close(batch: JobBatch, *, at: datetime) -> None:
    done = batch.jobs.filter(status=JobStatus.SUCCEEDED).count()
    total = batch.items.count()
    status = BatchStatus.SUCCEEDED if done == total else BatchStatus.FAILED
    outcome = f"{done} of {total} nodes are done."
    _move(batch, status, Actor.portal(), outcome=outcome, at=at)


def _move(
    batch: JobBatch, status: BatchStatus, actor: Actor, *, outcome: str = "", at: datetime
) -> None:
    before = batch.status
    batch.status = status
    batch.outcome = outcome
    batch.finished_at = None if status in OPEN else at
    batch.save(update_fields=["status", "outcome", "finished_at"])
    failed = status == BatchStatus.FAILED
    _audit(
        batch,
        f"batch.{'resumed' if status == BatchStatus.RUNNING else status}",
        actor,
        outcome=Outcome.FAILED if failed else Outcome.SUCCEEDED,
        after={"status": status, "before": before, "outcome": outcome},
        at=at,
    )


def _audit(
    batch: JobBatch,
    action: str,
    actor: Actor,
    *,
    outcome: Outcome,
    after: dict[str, object],
    at: datetime,
) -> None:
    audit_record(
        action=action,
        actor=actor,
        outcome=outcome,
        target=AuditTarget("batch", str(batch.pk), f"{batch.action} of several nodes"),
        reason=batch.reason,
        after=after,
        at=at,
    )


def batch_pause(batch: JobBatch, *, actor: Actor, at: datetime) -> JobBatch:
    """What runs goes on to its end; nothing more is begun. Raises BatchConflict (409)."""
    return _switch(batch, BatchStatus.RUNNING, BatchStatus.PAUSED, actor, at=at)


def batch_resume(batch: JobBatch, *, actor: Actor, at: datetime) -> JobBatch:
    """Raises BatchConflict (409) when it is not paused."""
    resumed = _switch(batch, BatchStatus.PAUSED, BatchStatus.RUNNING, actor, at=at)
    batch_advance(resumed.pk, at=at)
    resumed.refresh_from_db()
    return resumed


def _switch(
    batch: JobBatch, old: BatchStatus, new: BatchStatus, actor: Actor, *, at: datetime
) -> JobBatch:
    with transaction.atomic():
        stored = _lock(batch.pk)
        if stored.status != old:
            raise BatchConflict(f"Batch {stored.pk} is {stored.get_status_display()}.")
        _move(stored, new, actor, at=at)
    return stored


def batch_cancel(batch: JobBatch, *, actor: Actor, at: datetime) -> JobBatch:
    """Begin nothing more, and cancel what runs. Raises BatchConflict (409) when it is over."""
    with transaction.atomic():
        stored = _lock(batch.pk)
        if stored.status not in OPEN:
            raise BatchConflict(f"Batch {stored.pk} is over: {stored.get_status_display()}.")
        jobs = list(
            ControlJob.objects.active().select_for_update().filter(batch=stored).order_by("pk")
        )
        nodes_lock([job.node_id for job in jobs])
        _items_skip(stored, f"{actor.name} canceled the batch.")
        _move(stored, BatchStatus.CANCELED, actor, outcome=f"{actor.name} canceled it.", at=at)
        for job in jobs:
            control_job_cancel(job, actor=actor, at=at)
    return stored
