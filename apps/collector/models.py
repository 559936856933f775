"""Who polls what, how the rounds went, and what goes from them into the history."""

from __future__ import annotations

from django.db import models

from apps.cluster.models import Cluster


class CollectorMember(models.Model):
    """A process that polls; see `crew`. The row is there as long as the others believe in it."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="collector_members")
    holder = models.CharField(max_length=64, unique=True)
    place = models.CharField(max_length=100, blank=True)
    """One machine's start and one space of process numbers; empty where not known."""
    pid = models.PositiveIntegerField()
    pulse = models.BigIntegerField(default=0)
    """Rises with each round of system figures."""
    joined_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.holder


class CollectorShard(models.Model):
    """A part of the cluster's nodes, and who polls it."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveSmallIntegerField()
    member = models.ForeignKey(
        CollectorMember, null=True, on_delete=models.SET_NULL, related_name="shards"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("cluster", "number"), name="collector_shard_number"),
        ]

    def __str__(self) -> str:
        return f"shard {self.number}"


class PollRound(models.Model):
    """The latest round of one kind by one member, and its totals."""

    member = models.ForeignKey(
        CollectorMember, on_delete=models.CASCADE, related_name="poll_rounds"
    )
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

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("member", "kind"), name="poll_round_member_kind"),
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
