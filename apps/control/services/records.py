"""What every change of a job has in common: a conditional update, a row, an audit event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.models import Outcome
from apps.audit.services import Actor, AuditTarget, audit_record
from apps.cluster.services import cluster_touch
from apps.common.request_context import RequestContext
from apps.control.actions import action_get
from apps.control.models import FINAL, TRANSITIONS, ControlJob, JobStatus, JobTransition
from apps.nodes.services import ActionNote, node_actions_note

AUDIT_OUTCOMES = {
    JobStatus.SUCCEEDED: Outcome.SUCCEEDED,
    JobStatus.FAILED: Outcome.FAILED,
    JobStatus.TIMED_OUT: Outcome.FAILED,
    JobStatus.CANCELED: Outcome.FAILED,
    JobStatus.LOST: Outcome.FAILED,
}


class WrongTransition(Exception):
    """The portal's own mistake: a status can't follow another."""


def job_move(
    job: ControlJob,
    *,
    to: JobStatus,
    by: str,
    at: datetime,
    note: str = "",
    only_if: dict[str, Any] | None = None,
    **changes: Any,
) -> bool:
    """Change the status from what `job` has, if the stored one is still that.

    `only_if`: further conditions on the stored row. False: somebody else was first, and
    nothing was written. The final status is written to the audit trail.
    """
    before = JobStatus(job.status)
    if to not in TRANSITIONS[before]:
        raise WrongTransition(f"{job}: {before} → {to}")
    if to in FINAL:
        changes |= {"finished_at": at, "lease_until": None}
    with transaction.atomic():
        hit = ControlJob.objects.filter(pk=job.pk, status=before, **(only_if or {})).update(
            status=to, **changes
        )
        if not hit:
            return False
        JobTransition.objects.create(
            job_id=job.pk, at=at, from_status=before, to_status=to, by=by, note=note
        )
        for name, value in {"status": to, **changes}.items():
            setattr(job, name, value)
        jobs_note([job], at=at)
        if to in FINAL:
            _audit_end(job, at=at)
        cluster_touch(job.cluster)
    return True


def job_lock(pk: int) -> ControlJob:
    """The job, locked; not its cluster with it, see `audit_record_all`."""
    rows = ControlJob.objects.select_for_update(of=("self",)).select_related("cluster")
    return rows.get(pk=pk)


def jobs_note(jobs: Sequence[ControlJob], *, at: datetime) -> None:
    """What is done to a node stands on its card; a mere question does not."""
    node_actions_note(
        {
            job.node_id: ActionNote(
                job=job.pk,
                action=job.action,
                status=job.status,
                by=job.requested_by_name,
                reason=job.reason,
                at=at,
            )
            for job in jobs
            if action_get(job.action).changes
        }
    )


def job_actor(job: ControlJob) -> Actor:
    """Whose doing it is, under the name of that time."""
    return Actor(job.requested_by_id, job.requested_by_name)


def job_context(job: ControlJob) -> RequestContext:
    """The request that it was launched with."""
    return RequestContext(request_id=job.request_id, address=job.address, user_agent=job.user_agent)


def job_target(job: ControlJob) -> AuditTarget:
    return AuditTarget("node", str(job.node_number), job.node_name)


def _audit_end(job: ControlJob, *, at: datetime) -> None:
    audit_record(
        action=f"job.{job.status}",
        actor=job_actor(job),
        context=job_context(job),
        outcome=AUDIT_OUTCOMES[JobStatus(job.status)],
        target=job_target(job),
        reason=job.reason,
        before={"boot": job.boot_before},
        after={
            "action": job.action,
            "outcome": job.outcome,
            "outcome_code": job.outcome_code,
            "exit_code": job.exit_code,
            "boot": job.boot_after,
            "lines": job.lines_total,
            "host_key_fingerprint": job.host_key_fingerprint,
            "host_key_new": job.host_key_new,
        },
        job_id=str(job.pk),
        at=at,
    )
