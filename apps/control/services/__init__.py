"""Writes of control: launching, running, canceling and closing jobs."""

from __future__ import annotations

from apps.control.services.dispatch import job_dispatch, jobs_dispatch_again
from apps.control.services.launch import Launched, Order, control_job_launch
from apps.control.services.progress import control_job_cancel
from apps.control.services.reap import jobs_reap
from apps.control.services.run import control_job_run

__all__ = [
    "Launched",
    "Order",
    "control_job_cancel",
    "control_job_launch",
    "control_job_run",
    "job_dispatch",
    "jobs_dispatch_again",
    "jobs_reap",
]
