"""At most one round of a kind at a time, whatever process runs it and however it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q

from apps.cluster.models import Cluster
from apps.collector.models import PollRound


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one round. It ends with the round, or by itself at ``until``."""

    poll_round_pk: int
    token: str
    number: int
    until: datetime


def lease_take(
    cluster: Cluster, *, kind: str, holder: str, length_s: float, at: datetime
) -> Lease | None:
    """Take the lease, or count a skipped round and return ``None`` when one is running.

    A process that dies holding it loses it `length_s` after it took it.
    """
    poll_round, _ = PollRound.objects.get_or_create(cluster=cluster, kind=kind)
    number = poll_round.number + 1
    lease = Lease(poll_round.pk, f"{holder}-{number}", number, at + timedelta(seconds=length_s))
    rows = PollRound.objects.filter(pk=poll_round.pk)
    taken = rows.filter(
        Q(lease_until=None) | Q(lease_until__lte=at), number=poll_round.number
    ).update(number=number, started_at=at, lease_holder=lease.token, lease_until=lease.until)
    if not taken:
        rows.update(skipped_total=F("skipped_total") + 1)
        return None
    return lease


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCounts:
    asked: int
    answered: int
    failed: int
    pending: int


def lease_end(lease: Lease, *, counts: RoundCounts, at: datetime) -> bool:
    """Give the lease back with the round's counts. False: it ran out, and another has it."""
    return bool(
        PollRound.objects.filter(pk=lease.poll_round_pk, lease_holder=lease.token).update(
            finished_at=at,
            lease_holder="",
            lease_until=None,
            nodes_asked=counts.asked,
            nodes_answered=counts.answered,
            nodes_failed=counts.failed,
            nodes_pending=counts.pending,
            calls_total=F("calls_total") + counts.asked,
        )
    )


def lease_drop(lease: Lease) -> None:
    """The round failed: let the next one run at its time."""
    PollRound.objects.filter(pk=lease.poll_round_pk, lease_holder=lease.token).update(
        lease_holder="", lease_until=None
    )
