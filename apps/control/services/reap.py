"""Nothing stays running for ever: what its Celery worker abandoned is closed, never run again."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from apps.common.time import age_s
from apps.control.models import ControlJob, JobStatus
from apps.control.services.progress import job_expire
from apps.control.services.records import job_move

REAPER = "reaper"
SECOND_LOOK_AFTER = timedelta(seconds=10)
"""After the database was away, a Celery worker that still runs gets this time to report."""


def jobs_reap(*, at: datetime) -> list[int]:
    """Close queued jobs that nobody began in time and begun ones that nobody runs any more.

    Returns the keys of the jobs that were closed.
    """
    return [*_expire(at=at), *_close_abandoned(at=at)]


def _expire(*, at: datetime) -> list[int]:
    before = at - timedelta(seconds=settings.PORTAL_JOB_QUEUE_LIMIT_S)
    overdue = ControlJob.objects.select_related("cluster").filter(
        status=JobStatus.QUEUED, queued_at__lt=before
    )
    return [job.pk for job in overdue if job_expire(job, at=at)]


def _close_abandoned(*, at: datetime) -> list[int]:
    abandoned = ControlJob.objects.abandoned(at=at)
    # Its own heartbeat clears this mark: only silence through both looks counts.
    abandoned.filter(overdue_since=None).update(overdue_since=at)
    silent = abandoned.filter(overdue_since__lte=at - SECOND_LOOK_AFTER).select_related("cluster")
    return [job.pk for job in silent if _close(job, at=at)]


def _close(job: ControlJob, *, at: datetime) -> bool:
    silent_s = age_s(job.lease_until, at=at) or 0.0
    silent_s += settings.PORTAL_JOB_LEASE_S
    doing = "its command ran" if job.status == JobStatus.RUNNING else "the node was being watched"
    return job_move(
        job,
        to=JobStatus.LOST,
        by=REAPER,
        at=at,
        only_if={
            "lease_holder": job.lease_holder,
            "lease_until": job.lease_until,
            "overdue_since": job.overdue_since,
        },
        outcome_code="worker_lost",
        outcome=(
            f"The Celery worker {job.lease_holder} fell silent {silent_s:.0f} s ago, while "
            f"{doing}. What was done on the node is not known; it is not tried again."
        ),
        remedy="Look at the node's state, then launch the action again if it is still wanted.",
    )
