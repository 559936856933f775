"""Control jobs: a row before they are a message.

    queued ──► running ──► verifying ──► succeeded
      │           │            └───────► failed, timed_out, canceled, lost
      │           └────────────────────► succeeded, failed, timed_out, canceled, lost
      └────────────────────────────────► canceled, timed_out

A change of status is a conditional update and a row of `JobTransition`; nothing leaves a
final status. A job runs at most once: only the update from queued to running begins it.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models

from apps.cluster.models import Cluster
from apps.nodes.models import Node


class JobStatus(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    VERIFYING = "verifying", "verifying"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    TIMED_OUT = "timed_out", "timed out"
    CANCELED = "canceled", "canceled"
    LOST = "lost", "lost"


STATUS_VALUES = [status.value for status in JobStatus]
ACTIVE = (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.VERIFYING)
BEGUN = (JobStatus.RUNNING, JobStatus.VERIFYING)
FINAL = (
    JobStatus.SUCCEEDED,
    JobStatus.FAILED,
    JobStatus.TIMED_OUT,
    JobStatus.CANCELED,
    JobStatus.LOST,
)
TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELED, JobStatus.TIMED_OUT}),
    JobStatus.RUNNING: frozenset({JobStatus.VERIFYING, *FINAL}),
    JobStatus.VERIFYING: frozenset(FINAL),
    **{status: frozenset() for status in FINAL},
}


class JobQuerySet(models.QuerySet["ControlJob"]):
    def active(self) -> JobQuerySet:
        """Not at their end yet."""
        return self.filter(status__in=ACTIVE)

    def abandoned(self, *, at: datetime) -> JobQuerySet:
        """Begun, and nothing has been heard of who runs them."""
        return self.filter(status__in=BEGUN, lease_until__lt=at)


class ControlJob(models.Model):
    """One action on one node, by one person, once."""

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="control_jobs")
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="control_jobs")
    node_number = models.PositiveIntegerField()
    """The node's id when the job was launched; ids move with the host list."""
    node_name = models.CharField(max_length=300)
    action = models.CharField(max_length=32, db_index=True)
    status = models.CharField(max_length=16, choices=JobStatus, default=JobStatus.QUEUED)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    requested_by_name = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    parameters = models.JSONField(default=dict)
    """What was said along with the action; see `Action.parameters`."""
    warnings = models.JSONField(default=list)
    """Sentences that the person was shown and confirmed."""
    address = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    idempotency_key = models.CharField(max_length=128, blank=True)
    batch = models.ForeignKey(
        "control.JobBatch", null=True, on_delete=models.PROTECT, related_name="jobs"
    )

    queued_at = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True)
    """When its message was last handed to the broker; ``None``: never yet."""
    dispatch_count = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    lease_holder = models.CharField(max_length=100, blank=True)
    """Which Celery worker runs it."""
    lease_until = models.DateTimeField(null=True)
    """Until when that worker's last sign of life holds."""
    overdue_since = models.DateTimeField(null=True)
    """When the reaper first found the lease over; it closes the job at its second look."""
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True)

    exit_code = models.IntegerField(null=True)
    """Of the last command; ``None``: none came to an end of its own."""
    outcome_code = models.CharField(max_length=40, blank=True)
    outcome = models.TextField(blank=True)
    """What came out, in a sentence."""
    remedy = models.TextField(blank=True)
    lines_total = models.PositiveIntegerField(default=0)
    truncated = models.BooleanField(default=False)
    host_key_fingerprint = models.CharField(max_length=100, blank=True)
    host_key_new = models.BooleanField(default=False)
    boot_before = models.BigIntegerField(null=True)
    """The runtime process's generation number before the commands; ``None``: not known."""
    boot_after = models.BigIntegerField(null=True)

    objects: ClassVar = JobQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(
                fields=("node",),
                condition=models.Q(status__in=ACTIVE),
                name="control_job_one_active",
            ),
            models.UniqueConstraint(
                fields=("requested_by", "idempotency_key"),
                condition=~models.Q(idempotency_key=""),
                name="control_job_idempotency",
            ),
        ]
        indexes = [
            models.Index(fields=("status", "queued_at"), name="control_job_status"),
            models.Index(fields=("node", "-queued_at"), name="control_job_node"),
        ]

    def __str__(self) -> str:
        return f"job {self.pk}: {self.action} {self.node_name}"

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


class JobTransition(models.Model):
    """A job's status changed."""

    job = models.ForeignKey(ControlJob, on_delete=models.CASCADE, related_name="transitions")
    at = models.DateTimeField()
    from_status = models.CharField(max_length=16, choices=JobStatus, blank=True)
    """Empty: it was launched."""
    to_status = models.CharField(max_length=16, choices=JobStatus)
    by = models.CharField(max_length=150)
    """A person's name, a Celery worker's, or the reaper."""
    note = models.TextField(blank=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.from_status or '·'} → {self.to_status}"


class JobLine(models.Model):
    """One line of a job's output; numbered from 1 over all of its commands."""

    job = models.ForeignKey(ControlJob, on_delete=models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    stream = models.CharField(max_length=6)
    text = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ("number",)
        constraints = [
            models.UniqueConstraint(fields=("job", "number"), name="job_line_number"),
        ]

    def __str__(self) -> str:
        return self.text


class JobCheck(models.Model):
    """One look at the node while a job runs: what was expected, what was seen."""

    job = models.ForeignKey(ControlJob, on_delete=models.CASCADE, related_name="checks")
    at = models.DateTimeField()
    phase = models.CharField(max_length=16)
    """``before``, ``down``, ``answers``, ``late``."""
    found = models.TextField()
    reached = models.BooleanField()
    """Is the goal of the phase reached with this look?"""
    boot = models.BigIntegerField(null=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.phase}: {self.found}"
