"""Reading the audit trail: by whom, what, to what, when, from where, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from apps.audit.models import AuditEvent

MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to show; an empty field does not narrow. Texts match in part, any case."""

    actor: str = ""
    action: str = ""
    target: str = ""
    outcome: str = ""
    address: str = ""
    job_id: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


def audit_event_get(number: int) -> AuditEvent | None:
    """``None``: no such event (it may have left by retention)."""
    event: AuditEvent | None = None
    if 0 < number <= MAX_NUMBER:
        event = AuditEvent.objects.filter(number=number).first()
    return event


def audit_events(wanted: AuditFilter) -> QuerySet[AuditEvent]:
    """Newest first. `action` also takes the first part of a dotted word (``job``: all of jobs)."""
    chosen = Q()
    if wanted.actor:
        chosen &= Q(actor_name__icontains=wanted.actor)
    if wanted.action:
        chosen &= Q(action=wanted.action) | Q(action__startswith=f"{wanted.action}.")
    if wanted.target:
        chosen &= Q(target_name__icontains=wanted.target) | Q(target_id=wanted.target)
    for field in ("outcome", "address", "job_id"):
        if value := getattr(wanted, field):
            chosen &= Q(**{field: value})
    if wanted.text:
        chosen &= Q(reason__icontains=wanted.text) | Q(target_name__icontains=wanted.text)
    if wanted.since:
        chosen &= Q(at__gte=wanted.since)
    if wanted.until:
        chosen &= Q(at__lt=wanted.until)
    return AuditEvent.objects.filter(chosen).order_by("-number")
