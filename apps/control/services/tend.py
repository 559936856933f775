"""What has to be done about jobs and batches again and again, however they were left."""

from __future__ import annotations

from datetime import datetime

from apps.control.models import ControlJob
from apps.control.services.dispatch import jobs_dispatch_again
from apps.control.services.reap import jobs_reap
from apps.control.services.rolling import batches_advance


def control_tend(*, at: datetime) -> None:
    """Close what was abandoned; go on with batches; send again what got lost.

    Beat asks for it every other second, and mostly nothing is under way: then two queries tell.
    """
    is_busy = ControlJob.objects.active().exists()
    if is_busy:
        jobs_reap(at=at)
    batches_advance(at=at)
    if is_busy:
        jobs_dispatch_again(at=at)
