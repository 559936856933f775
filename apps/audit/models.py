"""The audit trail: what was done, by whom, from where, why, and what came out.

Rows are only ever added. Each carries the hash of the one before, so that a
change, a removal or a new order shows (`verify_audit`); triggers in both
databases refuse updates and deletes. Nothing here points at another table:
a trail must outlive the people and the nodes that it speaks of.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.db import models


class AppendOnly(Exception):
    """Somebody tried to change or remove a row of the audit trail."""

    def __init__(self) -> None:
        super().__init__(
            "The audit trail can only grow: its rows are neither changed nor removed. "
            "Old rows leave through `manage.py audit_retention`, which leaves a record."
        )


class Outcome(models.TextChoices):
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    DENIED = "denied", "denied"
    PENDING = "pending", "pending"


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly


class AuditEvent(models.Model):
    """One thing that happened. `number` counts without gaps from 1."""

    number = models.BigIntegerField(unique=True)
    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=64, db_index=True)
    """Dotted word, subject first: ``auth.sign_in``, ``job.launch``, ``config.change``."""
    outcome = models.CharField(max_length=16, choices=Outcome)
    actor_id = models.BigIntegerField(null=True, db_index=True)
    """Key of the person or service account; ``None`` for the portal itself or a stranger."""
    actor_name = models.CharField(max_length=150)
    """The name at that moment, kept as text: people are renamed and leave."""
    address = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    target_kind = models.CharField(max_length=32, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    target_name = models.CharField(max_length=300, blank=True)
    reason = models.TextField(blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    job_id = models.CharField(max_length=64, blank=True, db_index=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    objects: ClassVar = AuditQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)
        indexes = [
            models.Index(fields=("target_kind", "target_id", "-at"), name="audit_event_target"),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.action} by {self.actor_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row; a row that exists can't be saved again."""
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly


class AuditHead(models.Model):
    """The newest event's number and hash: one row, whose lock puts writers in line."""

    number = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"#{self.number}"


class RemovalPermit(models.Model):
    """While this row exists, the delete trigger lets events up to `up_to_number` go.

    Written and withdrawn by retention inside one transaction, never left standing.
    """

    up_to_number = models.BigIntegerField()

    def __str__(self) -> str:
        return f"up to #{self.up_to_number}"
