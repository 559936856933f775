"""One action on several nodes: some at a time, the next when those are verified."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from apps.cluster.models import Cluster
from apps.nodes.models import Node


class BatchStatus(models.TextChoices):
    RUNNING = "running", "running"
    PAUSED = "paused", "paused"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    CANCELED = "canceled", "canceled"


STATUS_VALUES = [status.value for status in BatchStatus]
OPEN = (BatchStatus.RUNNING, BatchStatus.PAUSED)


class BatchQuerySet(models.QuerySet["JobBatch"]):
    def open(self) -> BatchQuerySet:
        return self.filter(status__in=OPEN)


class JobBatch(models.Model):
    """The order of one person to do one action on several nodes."""

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="job_batches")
    action = models.CharField(max_length=32)
    size = models.PositiveIntegerField()
    """How many nodes at a time."""
    stop_on_failure = models.BooleanField(default=True)
    status = models.CharField(
        max_length=16, choices=BatchStatus, default=BatchStatus.RUNNING, db_index=True
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    requested_by_name = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    parameters = models.JSONField(default=dict)
    """What was said along with the action; see `Action.parameters`."""
    warnings = models.JSONField(default=list)
    address = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    idempotency_key = models.CharField(max_length=128, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.TextField(blank=True)

    objects: ClassVar = BatchQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        verbose_name_plural = "job batches"
        constraints = [
            models.UniqueConstraint(
                fields=("requested_by", "idempotency_key"),
                condition=~models.Q(idempotency_key=""),
                name="job_batch_idempotency",
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}: {self.action}"


class ItemStatus(models.TextChoices):
    WAITING = "waiting", "waiting"
    LAUNCHED = "launched", "launched"
    SKIPPED = "skipped", "skipped"


class BatchItem(models.Model):
    """A node's place in a batch, and its job once it had its turn."""

    batch = models.ForeignKey(JobBatch, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="+")
    node_number = models.PositiveIntegerField()
    status = models.CharField(max_length=16, choices=ItemStatus, default=ItemStatus.WAITING)
    job = models.OneToOneField(
        "control.ControlJob", null=True, on_delete=models.PROTECT, related_name="batch_item"
    )
    note = models.TextField(blank=True)
    """Why it was skipped, or what it waits for."""

    class Meta:
        ordering = ("position",)
        constraints = [
            models.UniqueConstraint(fields=("batch", "position"), name="batch_item_position"),
            models.UniqueConstraint(fields=("batch", "node"), name="batch_item_node"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: node {self.node_number}"
