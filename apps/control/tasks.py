"""What Celery calls; see `services`."""

from __future__ import annotations

import os
import socket

from celery import Task, shared_task

from apps.common.time import utc_now
from apps.control.services import control_job_run, control_tend, job_followed_up


@shared_task(bind=True)
def control_job_run_task(self: Task, job_pk: int) -> None:  # type: ignore[type-arg]
    """Run one job, unless it was begun before. The message is acknowledged at once: what is
    lost with a Celery worker is found by its row, not by sending the message again."""
    message = (self.request.id or "")[:8]
    control_job_run(job_pk, holder=f"{socket.gethostname()}:{os.getpid()}:{message}"[:100])
    job_followed_up(job_pk, at=utc_now())


@shared_task
def control_tend_task() -> None:
    control_tend(at=utc_now())
