"""Writes of control: launching, running, canceling and closing jobs."""

from __future__ import annotations

from apps.control.services.dispatch import job_dispatch, jobs_dispatch_again
from apps.control.services.dry_run import Rehearsal, control_job_rehearse
from apps.control.services.launch import Launched, Order, control_job_launch
from apps.control.services.progress import control_job_cancel
from apps.control.services.reap import jobs_reap
from apps.control.services.rolling import (
    BatchOrder,
    batch_cancel,
    batch_launch,
    batch_pause,
    batch_resume,
    batches_advance,
    job_followed_up,
)
from apps.control.services.run import control_job_run
from apps.control.services.tend import control_tend

__all__ = [
    "BatchOrder",
    "Launched",
    "Order",
    "Rehearsal",
    "batch_cancel",
    "batch_launch",
    "batch_pause",
    "batch_resume",
    "batches_advance",
    "control_job_cancel",
    "control_job_launch",
    "control_job_rehearse",
    "control_job_run",
    "control_tend",
    "job_dispatch",
    "job_followed_up",
    "jobs_dispatch_again",
    "jobs_reap",
]
