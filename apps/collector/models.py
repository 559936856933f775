"""Rounds of polling: when each ran, and what it found."""

from __future__ import annotations

from django.db import models

from apps.cluster.models import Cluster


class PollRound(models.Model):
    """The latest round of one kind, and the lease that keeps a second from running beside it."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="poll_rounds")
    kind = models.CharField(max_length=16)
    number = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    nodes_asked = models.PositiveIntegerField(default=0)
    nodes_answered = models.PositiveIntegerField(default=0)
    nodes_failed = models.PositiveIntegerField(default=0)
    nodes_pending = models.PositiveIntegerField(default=0)
    calls_total = models.BigIntegerField(default=0)
    skipped_total = models.BigIntegerField(default=0)
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("cluster", "kind"), name="poll_round_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} round {self.number}"
