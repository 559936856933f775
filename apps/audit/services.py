"""Writing the audit trail. Call inside the transaction that does what the row tells of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from apps.audit.chain import event_hash
from apps.audit.masking import masked
from apps.audit.models import AuditEvent, AuditHead, Outcome, RemovalPermit
from apps.common.request_context import RequestContext, request_context


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: key and name as they are now."""

    id: int | None
    name: str

    @classmethod
    def portal(cls) -> Actor:
        """The portal itself: collector, reaper, retention."""
        return cls(None, "portal")

    @classmethod
    def of(cls, user: Any) -> Actor:
        """A signed-in user, or whoever is behind an anonymous request."""
        if getattr(user, "is_authenticated", False):
            return cls(user.pk, user.get_username())
        return cls(None, "anonymous")


@dataclass(frozen=True, slots=True)
class AuditTarget:
    """What it was done to: kind word, key, and name as it was then."""

    kind: str = ""
    id: str = ""
    name: str = ""


def audit_record(
    *,
    action: str,
    actor: Actor,
    at: datetime,
    outcome: Outcome = Outcome.SUCCEEDED,
    target: AuditTarget = AuditTarget(),
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    job_id: str = "",
    context: RequestContext | None = None,
) -> AuditEvent:
    """Add one event at the end of the chain, in the caller's transaction.

    Where the request came from is taken from `context`, else from the request
    being served. Values under secret-sounding keys are masked before anything is stored.
    """
    where = context or request_context()
    # What can't be recorded must not happen: no savepoint to go on from.
    with transaction.atomic(savepoint=False):
        head = AuditHead.objects.select_for_update().get()
        event = AuditEvent(
            number=head.number + 1,
            at=at,
            action=action,
            outcome=outcome,
            actor_id=actor.id,
            actor_name=_line(actor.name, 150),
            address=where.address,
            request_id=_line(where.request_id, 64),
            user_agent=_line(where.user_agent, 300),
            target_kind=target.kind,
            target_id=_line(target.id, 64),
            target_name=_line(target.name, 300),
            reason=_storable(reason),
            before=None if before is None else masked(before),
            after=None if after is None else masked(after),
            job_id=job_id,
            previous_hash=head.hash,
        )
        event.hash = event_hash(event)
        event.save(force_insert=True)
        head.number, head.hash = event.number, event.hash
        head.save(update_fields=["number", "hash"])
    return event


def audit_remove_before(
    *, before: datetime, actor: Actor, at: datetime, limit: int = 10_000
) -> int:
    """Let the oldest events go, at most `limit`, and record that in the trail. → how many.

    The record holds the last removed row's number and hash, from which the rest still verifies.
    """
    with transaction.atomic():
        AuditHead.objects.select_for_update().get()
        # The newest event stays whatever its age: the trail must never be empty again.
        numbers = list(
            AuditEvent.objects.order_by("number")
            .filter(at__lt=before)
            .values_list("number", "hash", "at")[:limit]
        )
        leaving = _leading_run(numbers, AuditEvent.objects.order_by("number").first())
        if not leaving:
            return 0
        last_number, last_hash, last_at = leaving[-1]
        permit = RemovalPermit.objects.create(up_to_number=last_number)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM audit_auditevent WHERE number <= %s", [last_number])
        permit.delete()
        audit_record(
            action=RETENTION_ACTION,
            actor=actor,
            at=at,
            target=AuditTarget("audit", "", "audit trail"),
            before={"first_number": leaving[0][0], "last_number": last_number},
            after={
                "removed": len(leaving),
                "last_hash": last_hash,
                "last_at": last_at.isoformat(),
                "older_than": before.isoformat(),
            },
        )
        return len(leaving)


RETENTION_ACTION = "audit.retention"


def _leading_run(
    rows: list[tuple[int, str, datetime]], first: AuditEvent | None
) -> list[tuple[int, str, datetime]]:
    """Only an unbroken run from the oldest row may leave: a clock that was set back
    must not tear a hole into the middle."""
    run: list[tuple[int, str, datetime]] = []
    expected = None if first is None else first.number
    for row in rows:
        if row[0] != expected:
            break
        run.append(row)
        expected += 1
    return run


def _line(text: str, length: int) -> str:
    """One line of bounded length: the column's width is no reason to lose an event."""
    flat = "".join(
        " " if ch in "\r\n\t" else ch for ch in text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    )
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
