"""Nodes, the changes of their state, and the latest figures of each."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from apps.cluster.models import Cluster
from apps.common.fields import BulkJSONField
from apps.runtime.types import NodeState

CLOCK_OFF_S = 2.0
"""A node's clock that is further off than this needs to be set."""

STATE_CHOICES = [(state.value, state.value) for state in NodeState]


class NodeQuerySet(models.QuerySet["Node"]):
    def present(self) -> NodeQuerySet:
        """Nodes that the host list names now."""
        return self.filter(retired_at=None)

    def retired(self) -> NodeQuerySet:
        return self.exclude(retired_at=None)


class Node(models.Model):
    """A machine (or a port of one) in the cluster's host list. Kept when it leaves the list."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="nodes")
    node_id = models.PositiveIntegerField(null=True, blank=True)
    """Line of the host list, from 0; ``None`` once retired."""
    host = models.CharField(max_length=255)
    port = models.PositiveIntegerField()
    hostname = models.CharField(max_length=255, blank=True)
    """As the runtime calls itself; empty until it has said so."""
    ip_address = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=STATE_CHOICES, default=NodeState.UNKNOWN)
    state_since = models.DateTimeField(null=True, blank=True)
    state_reason = models.TextField(blank=True)
    first_seen_at = models.DateTimeField(null=True, blank=True)
    boot = models.BigIntegerField(null=True, blank=True)
    """The runtime process's generation number; differs after each restart. Negative: given
    by the portal, because the client in use cannot tell one process from the next."""
    booted_at = models.DateTimeField(null=True, blank=True)
    """When this boot was first seen."""
    wire_generation = models.CharField(max_length=8, blank=True)
    server_pid = models.BigIntegerField(null=True, blank=True)
    is_leader = models.BooleanField(null=True, blank=True)
    clock_skew_s = models.FloatField(null=True, blank=True)
    """The node's clock minus the portal's, to about half a second; positive: it is ahead."""
    dialback_address = models.CharField(max_length=255, blank=True)
    dialback_pairs_spent = models.PositiveIntegerField(null=True, blank=True)
    """Connections that the portal has spent on this boot; see `rows.connections_left`."""
    is_simulated = models.BooleanField(default=False)
    last_action = models.JSONField(null=True, blank=True)
    """What was last done to it from here, as `services.ActionNote` writes it; shown on its card."""
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = NodeQuerySet.as_manager()

    class Meta:
        ordering = ("node_id", "pk")
        constraints = [
            models.UniqueConstraint(fields=("cluster", "host", "port"), name="node_address"),
            models.UniqueConstraint(
                fields=("cluster", "node_id"),
                condition=models.Q(retired_at=None),
                name="node_line",
            ),
        ]

    def __str__(self) -> str:
        return f"node {self.node_id} ({self.address})"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def clock_is_off(self) -> bool:
        return self.clock_skew_s is not None and abs(self.clock_skew_s) > CLOCK_OFF_S


class Maintenance(models.Model):
    """A node is kept out of service. The row goes when that ends; the audit trail keeps it."""

    node = models.OneToOneField(Node, on_delete=models.CASCADE, related_name="maintenance")
    by_name = models.CharField(max_length=150)
    reason = models.TextField()
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)
    """Over by itself from then on; ``None``: when somebody ends it."""

    def __str__(self) -> str:
        return f"{self.node}: {self.reason}"


class StateChange(models.Model):
    """A node's state changed. The row feeds the pages, the history and the audit."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="state_changes")
    at = models.DateTimeField()
    from_state = models.CharField(max_length=8, choices=STATE_CHOICES)
    to_state = models.CharField(max_length=8, choices=STATE_CHOICES)
    reason = models.TextField(blank=True)
    boot = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("-at", "-pk")
        indexes = [models.Index(fields=("node", "-at"), name="state_change_node_at")]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


class FigureKind(models.TextChoices):
    SYSTEM = "system", "system figures"
    WORKERS = "workers", "workers"
    BLOCK_DEVICES = "block_devices", "block devices"
    CONTAINERS = "containers", "containers"
    POOLS = "pools", "pools"


class LatestFigures(models.Model):
    """The newest figures of one kind from one node, each with its own time.

    ``figures`` keeps the last good answer; ``error_*`` says why there is none newer.
    The shape of ``figures`` by kind: system — one Entry of the API contract;
    workers, block_devices, containers — a list of the contract's Worker, Device, Container;
    pools — the containers without their methods, so that a fleet's pools are cheap to read.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="latest_figures")
    kind = models.CharField(max_length=16, choices=FigureKind)
    figures = BulkJSONField(null=True)
    sampled_at = models.DateTimeField(null=True)
    """The figures' own time: the sample's wall time where the node's clock can be
    believed (see `clock_skew_s`), else when they arrived."""
    received_at = models.DateTimeField(null=True)
    """When these figures arrived, by the portal's clock: what their age is counted from."""
    answered_at = models.DateTimeField(null=True)
    """When the node last answered this query, with or without anything new."""
    clock_skew_s = models.FloatField(null=True)
    """Portal's clock minus the sample's own time; beyond a few seconds the node's clock is off."""
    latency_s = models.FloatField(null=True)
    boot = models.BigIntegerField(null=True)
    error_code = models.CharField(max_length=32, blank=True)
    error_message = models.TextField(blank=True)
    error_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("node", "kind"), name="latest_figures_node_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.node_id}"


class SampleChunk(models.Model):
    """System samples as one poll brought them: the recent tail that `system_stats` serves."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="sample_chunks")
    boot = models.BigIntegerField(null=True)
    first_event_id = models.BigIntegerField()
    last_event_id = models.BigIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    entries = BulkJSONField()

    class Meta:
        ordering = ("pk",)
        indexes = [
            models.Index(fields=("node", "last_event_id"), name="sample_chunk_node_event"),
            models.Index(fields=("last_at",), name="sample_chunk_last_at"),
        ]

    def __str__(self) -> str:
        return f"events {self.first_event_id}–{self.last_event_id} of {self.node_id}"
