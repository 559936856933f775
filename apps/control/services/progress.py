"""A job's way through its statuses, as its Celery worker reports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.audit.services import Actor, audit_record
from apps.control.errors import JobOver
from apps.control.models import BEGUN, ControlJob, JobCheck, JobLine, JobStatus
from apps.control.remote.types import Line
from apps.control.services.records import (
    job_actor,
    job_context,
    job_lock,
    job_move,
    job_target,
)

NOTHING_DONE = "Nothing was done on the node."


def job_claim(pk: int, *, holder: str, at: datetime) -> ControlJob | None:
    """Begin the job, for this Celery worker alone. ``None``: it is not queued any more.

    However often its message comes, one claim succeeds in the job's whole life.
    """
    job: ControlJob | None = (
        ControlJob.objects.select_related("node", "cluster")
        .filter(pk=pk, status=JobStatus.QUEUED)
        .first()
    )
    if job is None:
        return None
    if at - job.queued_at > timedelta(seconds=settings.PORTAL_JOB_QUEUE_LIMIT_S):
        job_expire(job, at=at)
        return None
    claimed = job_move(
        job,
        to=JobStatus.RUNNING,
        by=holder,
        at=at,
        only_if={"cancel_requested_at": None},
        started_at=at,
        lease_holder=holder,
        lease_until=at + lease_length(),
    )
    return job if claimed else None


def lease_length() -> timedelta:
    return timedelta(seconds=settings.PORTAL_JOB_LEASE_S)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a sign of life was answered with."""

    mine: bool
    """False: the job was closed by somebody else; stop, and change nothing more."""
    cancel_by: str
    """Who wants it canceled; empty: nobody."""


def job_heartbeat(job: ControlJob, *, at: datetime) -> Heard:
    """Say that the job is still being run, and hear whether it should be."""
    mine = ControlJob.objects.filter(
        pk=job.pk, lease_holder=job.lease_holder, status__in=BEGUN
    ).update(lease_until=at + lease_length(), overdue_since=None)
    row = ControlJob.objects.filter(pk=job.pk).values_list(
        "cancel_requested_at", "cancel_requested_by"
    )
    canceled_at, canceled_by = row.get()
    return Heard(bool(mine), canceled_by if canceled_at is not None else "")


def job_lines_add(job: ControlJob, lines: Sequence[Line]) -> None:
    """Store output. The same lines may be given again when it is not sure that they arrived."""
    with transaction.atomic():
        JobLine.objects.bulk_create(
            (
                JobLine(
                    job_id=job.pk,
                    number=line.number,
                    stream=line.stream,
                    text=line.text.replace("\x00", "\N{REPLACEMENT CHARACTER}"),
                    at=line.at,
                )
                for line in lines
            ),
            batch_size=500,
            ignore_conflicts=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the node; `phase` as in `JobCheck`."""

    phase: str
    found: str
    reached: bool
    at: datetime
    boot: int | None = None


def job_check_add(job: ControlJob, look: Look) -> None:
    JobCheck.objects.create(
        job_id=job.pk,
        at=look.at,
        phase=look.phase,
        found=look.found,
        reached=look.reached,
        boot=look.boot,
    )


def job_verify(job: ControlJob, *, at: datetime) -> bool:
    """The last command is done; now it is watched what became of the node."""
    return job_move(
        job,
        to=JobStatus.VERIFYING,
        by=job.lease_holder,
        at=at,
        only_if={"lease_holder": job.lease_holder},
    )


@dataclass(slots=True, kw_only=True)
class Ending:
    """How a job ended, before it is stored."""

    status: JobStatus
    code: str
    outcome: str
    remedy: str = ""
    exit_code: int | None = None
    lines_total: int = 0
    truncated: bool = False
    host_key_fingerprint: str = ""
    host_key_new: bool = False
    boot_before: int | None = None
    boot_after: int | None = None
    unsaved_lines: list[Line] = field(default_factory=list)
    unsaved_looks: list[Look] = field(default_factory=list)


def job_finish(job: ControlJob, ending: Ending, *, at: datetime) -> bool:
    """Store the end with all that belongs to it, in one transaction.

    False: somebody closed the job before (the reaper, say). Its status stays, and what was
    seen is added to it and to the audit trail: nothing is lost in silence.
    """
    with transaction.atomic():
        job_lines_add(job, ending.unsaved_lines)
        for look in ending.unsaved_looks:
            job_check_add(job, look)
        stored = ControlJob.objects.select_related("cluster").get(pk=job.pk)
        if stored.status in BEGUN and stored.lease_holder == job.lease_holder:
            job_move(
                stored,
                to=ending.status,
                by=job.lease_holder,
                at=at,
                note=ending.outcome,
                outcome_code=ending.code,
                outcome=ending.outcome,
                remedy=ending.remedy,
                **_figures(ending),
            )
            return True
        _add_late(stored, ending, at=at)
        return False


def _figures(ending: Ending) -> dict[str, Any]:
    return {
        "exit_code": ending.exit_code,
        "lines_total": ending.lines_total,
        "truncated": ending.truncated,
        "host_key_fingerprint": ending.host_key_fingerprint[:100],
        "host_key_new": ending.host_key_new,
        "boot_before": ending.boot_before,
        "boot_after": ending.boot_after,
    }


def _add_late(job: ControlJob, ending: Ending, *, at: datetime) -> None:
    """The same ending twice (a commit whose confirmation was lost) is no late result."""
    if (job.status, job.outcome_code) == (ending.status, ending.code):
        return
    found = f"A late result: {ending.status.label}. {ending.outcome}"
    job_check_add(
        job,
        Look(
            phase="late",
            found=found,
            reached=ending.status == JobStatus.SUCCEEDED,
            at=at,
            boot=ending.boot_after,
        ),
    )
    ControlJob.objects.filter(pk=job.pk).update(**_figures(ending))
    audit_record(
        action="job.late_result",
        actor=job_actor(job),
        context=job_context(job),
        target=job_target(job),
        reason=job.reason,
        before={"status": job.status},
        after={"outcome_code": ending.code, "outcome": found, "exit_code": ending.exit_code},
        job_id=str(job.pk),
        at=at,
    )


def control_job_cancel(job: ControlJob, *, actor: Actor, at: datetime) -> ControlJob:
    """Cancel a queued job at once; ask the Celery worker of a running one to end it.

    Raises JobOver (409) for one that is at its end. Asking twice is no error.
    """
    with transaction.atomic():
        stored = job_lock(job.pk)
        if stored.is_final:
            raise JobOver(stored)
        if stored.status == JobStatus.QUEUED:
            job_move(
                stored,
                to=JobStatus.CANCELED,
                by=actor.name,
                at=at,
                outcome_code="canceled",
                outcome=f"{actor.name} canceled it before it began. {NOTHING_DONE}",
                cancel_requested_at=at,
                cancel_requested_by=actor.name,
            )
            return stored
        asked = ControlJob.objects.filter(
            pk=job.pk, status__in=BEGUN, cancel_requested_at=None
        ).update(cancel_requested_at=at, cancel_requested_by=actor.name)
        if asked:
            audit_record(
                action="job.cancel",
                actor=actor,
                target=job_target(stored),
                after={"status": stored.status},
                job_id=str(job.pk),
                at=at,
            )
    stored.refresh_from_db()
    return stored


def job_expire(job: ControlJob, *, at: datetime) -> bool:
    """Nobody has begun it in time: close it, so that it can't surprise anybody later."""
    limit_s = settings.PORTAL_JOB_QUEUE_LIMIT_S
    return job_move(
        job,
        to=JobStatus.TIMED_OUT,
        by="reaper",
        at=at,
        outcome_code="not_begun",
        outcome=f"No Celery worker began it within {limit_s:g} s. {NOTHING_DONE}",
        remedy="Check that the portal's Celery workers and its broker run, then launch it again.",
    )
