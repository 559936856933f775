"""Writing the audit trail. Call inside the transaction that does what the row tells of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from apps.audit.chain import event_hash
from apps.audit.masking import masked
from apps.audit.models import AuditEvent, AuditHead, Outcome, RemovalPermit
from apps.common.request_context import RequestContext, request_context

EVENTS_AT_ONCE = 500


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What an event is to tell."""

    action: str
    actor: Actor
    at: datetime
    outcome: Outcome = Outcome.SUCCEEDED
    target: AuditTarget = AuditTarget()
    reason: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    job_id: str = ""
    context: RequestContext | None = None
    """Where the request came from; ``None``: the request being served."""


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
    """Add one event at the end of the chain, in the caller's transaction; see `AuditEntry`.

    Values under secret-sounding keys are masked before anything is stored.
    """
    entry = AuditEntry(
        action=action,
        actor=actor,
        at=at,
        outcome=outcome,
        target=target,
        reason=reason,
        before=before,
        after=after,
        job_id=job_id,
        context=context,
    )
    return audit_record_all([entry])[0]


def audit_record_all(entries: Sequence[AuditEntry]) -> list[AuditEvent]:
    """Add events in this order, as `audit_record` does; a few statements however many they are.

    Every action ends here, so whoever holds other rows must have locked them in the same order,
    or two wait for each other: first what the action is about (a job, a batch, a person), then
    nodes (`nodes_lock`), then the trail's head, and the cluster's own row last.
    """
    # What can't be recorded must not happen: no savepoint to go on from.
    with transaction.atomic(savepoint=False):
        head = AuditHead.objects.select_for_update().get()
        events = []
        for entry in entries:
            event = _event(entry, number=head.number + 1, previous_hash=head.hash)
            head.number, head.hash = event.number, event.hash
            events.append(event)
        AuditEvent.objects.bulk_create(events, batch_size=EVENTS_AT_ONCE)
        head.save(update_fields=["number", "hash"])
    return events


def _event(entry: AuditEntry, *, number: int, previous_hash: str) -> AuditEvent:
    where = entry.context or request_context()
    event = AuditEvent(
        number=number,
        at=entry.at,
        action=entry.action,
        outcome=entry.outcome,
        actor_id=entry.actor.id,
        actor_name=_line(entry.actor.name, 150),
        address=where.address,
        request_id=_line(where.request_id, 64),
        user_agent=_line(where.user_agent, 300),
        target_kind=entry.target.kind,
        target_id=_line(entry.target.id, 64),
        target_name=_line(entry.target.name, 300),
        reason=_storable(entry.reason),
        before=None if entry.before is None else masked(entry.before),
        after=None if entry.after is None else masked(entry.after),
        job_id=entry.job_id,
        previous_hash=previous_hash,
    )
    event.hash = event_hash(event)
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
