"""The one way in: permission → job row and audit row → message, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from apps.accounts.errors import FreshSignInNeeded
from apps.accounts.models import User
from apps.accounts.roles import permission_full_name
from apps.audit.models import Outcome
from apps.audit.services import AuditEntry, audit_record_all
from apps.cluster.services import cluster_touch
from apps.common.request_context import RequestContext, request_context
from apps.control.actions import Action, action_get
from apps.control.errors import (
    ConfirmNeeded,
    IdempotencyReused,
    NodeBusy,
    NotAllowed,
    ReadOnly,
    ReasonMissing,
)
from apps.control.models import ControlJob, JobBatch, JobStatus, JobTransition
from apps.control.parameters import parameters_checked
from apps.control.services.dispatch import jobs_dispatch_on_commit
from apps.control.services.records import job_actor, job_context, job_target, jobs_note
from apps.control.warnings import warnings_mark, warnings_of
from apps.nodes.models import Node

log = structlog.get_logger(__name__)

ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for, by a person or a script."""

    action: str
    reason: str = ""
    confirmed: bool = False
    """The warnings were seen, and it is meant."""
    read: str = ""
    """`warnings_mark` of the ones that were seen; empty: whoever confirms does not say which."""
    fresh: bool = False
    """Who asks has given the password a short while ago; asked of people where warnings are."""
    by_script: bool = False
    """Signed in with a token: documented scripts give no reason and confirm nothing."""
    idempotency_key: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """See `Action.parameters`; checked with the order."""


@dataclass(frozen=True, slots=True)
class Launched:
    job: ControlJob
    created: bool
    """False: the same request came before, and this is its job."""


def control_job_launch(*, node: Node, user: User, order: Order, at: datetime) -> Launched:
    """Queue one action on one node.

    Raises ReadOnly, NotAllowed, ActionUnknown, ReasonMissing, ParameterWrong, ConfirmNeeded,
    NodeBusy (409, with the running job), FreshSignInNeeded and IdempotencyReused.
    """
    action = order_check(order, user=user)
    repeated = _repeated(order, node=node, user=user)
    if repeated is not None:
        return Launched(repeated, created=False)
    warnings = warnings_of(node.cluster, action, node_ids=[node_number(node)], at=at)
    try:
        warnings_check(order, warnings)
    except (ConfirmNeeded, FreshSignInNeeded):
        _busy_check(node)  # nobody gives a password for what can't be done now
        raise
    try:
        with transaction.atomic():
            (job,) = jobs_add(
                [node], user=user, order=order, warnings=warnings, at=at, where=request_context()
            )
    except IntegrityError:
        # The node is busy, or two came at once: the database lets one through at a time.
        repeated = _repeated(order, node=node, user=user)
        if repeated is not None:
            return Launched(repeated, created=False)
        _busy_check(node)
        raise
    log.info(
        "control job launched",
        job=job.pk,
        action=job.action,
        node=job.node_name,
        by=job.requested_by_name,
    )
    return Launched(job, created=True)


def order_check(order: Order, *, user: User) -> Action:
    """May `user` do this at all, and did they say why? See `control_job_launch`."""
    if settings.PORTAL_READ_ONLY:
        raise ReadOnly
    action = action_get(order.action)
    if not user.is_active or not user.has_perm(permission_full_name(action.permission)):
        raise NotAllowed
    if settings.PORTAL_REASON_REQUIRED and not order.by_script and not order.reason.strip():
        raise ReasonMissing
    parameters_checked(action.parameters, order.parameters)
    return action


def warnings_check(order: Order, warnings: list[str]) -> None:
    """Where it hurts, people say that they mean it, and prove that it is still them.

    Raises ConfirmNeeded, FreshSignInNeeded.
    """
    if not warnings or order.by_script:
        return
    if not order.confirmed or order.read not in ("", warnings_mark(warnings)):
        raise ConfirmNeeded(warnings)
    if not order.fresh:
        raise FreshSignInNeeded


def jobs_add(
    nodes: Sequence[Node],
    *,
    user: User,
    order: Order,
    warnings: list[str],
    at: datetime,
    where: RequestContext,
    batch: JobBatch | None = None,
) -> list[ControlJob]:
    """The rows of a launch on each of these nodes of one cluster, and the messages once they are
    committed, in the order of the nodes' keys. A few statements, however many nodes.

    Call in a transaction; see `order_check` for what must hold. Raises IntegrityError when one of
    them is busy, or the same request came before: then nothing was added.
    """
    # By key: of two launches on the same nodes one waits for the other, never each for each.
    jobs = ControlJob.objects.bulk_create(
        (
            ControlJob(
                cluster=node.cluster,
                node=node,
                node_number=node_number(node),
                node_name=node.address,
                action=order.action,
                requested_by=user,
                requested_by_name=user.get_username(),
                reason=order.reason.strip(),
                parameters=dict(order.parameters),
                warnings=warnings,
                address=where.address,
                request_id=where.request_id[:64],
                user_agent=where.user_agent[:300],
                idempotency_key=order.idempotency_key,
                batch=batch,
                queued_at=at,
                dispatched_at=at,
                dispatch_count=1,
            )
            for node in sorted(nodes, key=lambda node: node.pk)
        ),
        batch_size=ROWS_AT_ONCE,
    )
    JobTransition.objects.bulk_create(
        (
            JobTransition(job=job, at=at, to_status=JobStatus.QUEUED, by=job.requested_by_name)
            for job in jobs
        ),
        batch_size=ROWS_AT_ONCE,
    )
    jobs_note(jobs, at=at)
    audit_record_all([_launch_entry(job, at=at) for job in jobs])
    cluster_touch(nodes[0].cluster)
    jobs_dispatch_on_commit([job.pk for job in jobs], at=at)
    return jobs


def _launch_entry(job: ControlJob, *, at: datetime) -> AuditEntry:
    return AuditEntry(
        action="job.launch",
        actor=job_actor(job),
        context=job_context(job),
        outcome=Outcome.PENDING,
        target=job_target(job),
        reason=job.reason,
        after={
            "action": job.action,
            "parameters": job.parameters,
            "warnings": job.warnings,
            "batch": job.batch_id,
        },
        job_id=str(job.pk),
        at=at,
    )


def node_number(node: Node) -> int:
    """Its line in the host list. Raises ValueError for one that has left it."""
    if node.node_id is None:
        raise ValueError(f"{node} has left the host list")
    return node.node_id


def _busy_check(node: Node) -> None:
    busy = ControlJob.objects.active().filter(node=node).first()
    if busy is not None:
        raise NodeBusy(busy)


def _repeated(order: Order, *, node: Node, user: User) -> ControlJob | None:
    if not order.idempotency_key:
        return None
    job: ControlJob | None = ControlJob.objects.filter(
        requested_by=user, idempotency_key=order.idempotency_key
    ).first()
    if job is None:
        return None
    before = (job.node_id, job.action, job.reason, job.parameters)
    if before != (node.pk, order.action, order.reason.strip(), order.parameters):
        raise IdempotencyReused
    return job
