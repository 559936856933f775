"""Rounds of polling: when each ran, what it found, and what goes from it into the history."""

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


class HistoryFeed(models.Model):
    """How far what was collected has gone into the history. One row per cluster."""

    cluster = models.OneToOneField(Cluster, on_delete=models.CASCADE, related_name="history_feed")
    next_at = models.DateTimeField()
    """Not to be fed before; a process that feeds pushes it on, so that no other does."""
    duration_s = models.FloatField(default=0.0)
    """What the last feed took of a processor."""
    chunk_position = models.BigIntegerField(default=0)
    """All sample chunks up to this key are stored."""
    chunk_seen = models.BigIntegerField(default=0)
    """Of the chunks up to this key, the samples before `stored_before` are stored."""
    stored_before = models.DateTimeField(null=True)
    state_position = models.BigIntegerField(default=0)
    """All changes of state up to this key are stored."""
    fed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"history of {self.cluster_id} up to sample chunk {self.chunk_position}"


class PendingFigures(models.Model):
    """What one round brought besides system samples, until it is in the history.

    Written with the round and deleted by the feed: a process that is killed loses nothing.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="pending_figures")
    kind = models.CharField(max_length=16)
    at = models.DateTimeField()
    """When the round ended."""
    data = models.BinaryField()
    """See `history.pending`."""

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.kind} of {self.at}"
