"""From row to message. A message may be lost or come twice: the row decides what runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from celery import current_app
from django.db import transaction
from django.db.models import F, Q
from kombu.exceptions import OperationalError as BrokerError

from apps.control.models import ControlJob, JobStatus

log = structlog.get_logger(__name__)

RUN_TASK = "apps.control.tasks.control_job_run_task"
AGAIN_AFTER = timedelta(seconds=30)
"""A message that nobody has acted on for so long may be lost."""
MOST_AT_ONCE = 500


def jobs_dispatch_on_commit(pks: Sequence[int], *, at: datetime) -> None:
    """Hand jobs to a Celery worker as soon as their rows are there for good.

    The rows say already that it was done, at `at`: a message that does not go out in spite of
    that, because this process dies in between, is one that got lost.
    """
    transaction.on_commit(lambda: _dispatch_first(pks, at=at))


def _dispatch_first(pks: Sequence[int], *, at: datetime) -> None:
    for place, pk in enumerate(pks):
        if not _send(pk):
            _unsent(pks[place:], at=at)
            return


def job_dispatch(pk: int, *, at: datetime) -> bool:
    """Send the message. False: the broker is away; `jobs_dispatch_again` will come back to it."""
    # Counted first: the Celery worker may be done before this would be written.
    sent = ControlJob.objects.filter(pk=pk, status=JobStatus.QUEUED).update(
        dispatched_at=at, dispatch_count=F("dispatch_count") + 1
    )
    if not sent:
        return False
    if _send(pk):
        return True
    _unsent([pk], at=at)
    return False


def _send(pk: int) -> bool:
    try:
        current_app.send_task(RUN_TASK, args=(pk,), queue="control", retry=False)
    except (BrokerError, OSError) as error:
        log.warning("the broker does not take a control job", job=pk, error=str(error))
        return False
    return True


def _unsent(pks: Sequence[int], *, at: datetime) -> None:
    """What the broker did not take is sent with the next tick."""
    rows = ControlJob.objects.filter(pk__in=pks, status=JobStatus.QUEUED, dispatched_at=at)
    rows.update(dispatched_at=None)


def jobs_dispatch_again(*, at: datetime) -> int:
    """Send again what may have got lost: its message never went out, or long ago.

    Each further try waits twice as long, so that a long queue is not flooded with repeats.
    A job runs once however many of its messages arrive. Returns how many were sent.
    """
    queued = ControlJob.objects.filter(status=JobStatus.QUEUED, cancel_requested_at=None)
    waiting = queued.filter(Q(dispatched_at=None) | Q(dispatched_at__lt=at - AGAIN_AFTER))
    sent = 0
    rows = waiting.order_by("pk").values_list("pk", "dispatched_at", "dispatch_count")
    for pk, dispatched_at, count in rows[:MOST_AT_ONCE]:
        due = dispatched_at is None or dispatched_at < at - AGAIN_AFTER * 2 ** min(count - 1, 6)
        if not due:
            continue
        if not job_dispatch(pk, at=at):
            # The broker is away, which is so for all of them; or this one was just begun.
            if ControlJob.objects.filter(pk=pk, status=JobStatus.QUEUED).exists():
                break
            continue
        sent += 1
    return sent
