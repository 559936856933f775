"""Old events leave the trail, oldest first, and the trail says so."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from apps.audit.models import AuditEvent
from apps.audit.services import Actor, audit_remove_before

STEP = 10_000
"""Events removed in one transaction, which holds up whoever wants to add one."""


def audit_retention(*, days: int, actor: Actor, at: datetime) -> int:
    """Remove what is older than `days`. → how many events left.

    Each step leaves an event of its own, from which the rest of the chain still verifies.
    """
    removed = 0
    while True:
        step = audit_remove_before(before=at - timedelta(days=days), actor=actor, at=at, limit=STEP)
        removed += step
        if step < STEP:
            return removed


def audit_retention_by_settings(*, at: datetime) -> int:
    """As CLIO_PORTAL_AUDIT_DAYS says; 0 there keeps everything."""
    days: int = settings.PORTAL_AUDIT_DAYS
    return audit_retention(days=days, actor=Actor.portal(), at=at) if days else 0


def audit_due(*, days: int, at: datetime) -> int:
    """How many events are older than `days`."""
    return AuditEvent.objects.filter(at__lt=at - timedelta(days=days)).count()
