"""Checking the chain: is every row there, unchanged, in order?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Max

from apps.audit.chain import GENESIS_HASH, event_hash
from apps.audit.models import AuditEvent, AuditHead
from apps.audit.services import RETENTION_ACTION


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the trail found. ``bad_number`` is the first row that does not fit."""

    intact: bool
    checked: int
    head_number: int
    head_hash: str
    bad_number: int | None = None
    finding: str = ""


def audit_verify() -> Verdict:
    """Walk the whole chain, oldest first, in steps of bounded memory.

    Events may be added meanwhile. An event and the head that counts it are committed together:
    so what was there before the head was read is within it, and the walk ends there.
    """
    newest = AuditEvent.objects.aggregate(newest=Max("number"))["newest"] or 0
    head = AuditHead.objects.first()
    if head is None:
        return Verdict(False, 0, 0, "", None, "The head of the trail is missing.")
    anchors = dict(_anchors())
    previous_number, previous_hash, checked = 0, GENESIS_HASH, 0
    last = max(newest, head.number)
    events = AuditEvent.objects.filter(number__lte=last).order_by("number")
    for event in events.iterator(chunk_size=2000):
        if checked == 0 and event.number > 1:
            previous_number = event.number - 1
            previous_hash = anchors.get(previous_number, "")
        finding = _finding(event, previous_number, previous_hash)
        if finding:
            return Verdict(False, checked, head.number, head.hash, event.number, finding)
        previous_number, previous_hash = event.number, event.hash
        checked += 1
    if previous_number > head.number:
        finding = f"The trail goes on to #{previous_number}, its head says #{head.number}."
        return Verdict(False, checked, head.number, head.hash, head.number + 1, finding)
    if (previous_number, previous_hash) != (head.number, head.hash):
        missing = previous_number + 1
        finding = (
            f"The newest rows are missing: the trail ends at #{previous_number}, "
            f"its head says #{head.number}."
        )
        return Verdict(False, checked, head.number, head.hash, missing, finding)
    return Verdict(True, checked, head.number, head.hash)


def _anchors() -> Iterator[tuple[int, str]]:
    """Where retention cut the trail, by its own records."""
    cuts = AuditEvent.objects.filter(action=RETENTION_ACTION).values_list("before", "after")
    for before, after in cuts:
        if before and after:
            yield before["last_number"], after["last_hash"]


def _finding(event: AuditEvent, previous_number: int, previous_hash: str) -> str:
    if event.number != previous_number + 1:
        return f"Rows #{previous_number + 1} to #{event.number - 1} are missing."
    if event.previous_hash != previous_hash:
        return f"#{event.number} does not follow the row before it: removed, changed or reordered."
    if event.hash != event_hash(event):
        return f"The content of #{event.number} was changed after it was written."
    return ""
