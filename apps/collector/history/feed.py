"""Move what the rounds stored into the history."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Max, Q

from apps.cluster.models import Cluster
from apps.collector.history.chunks import chunk_range, chunk_share, node_shares
from apps.collector.history.columns import Gathered
from apps.collector.history.pending import KEPT_KINDS, pending_gather
from apps.collector.models import CollectorMember, HistoryFeed, PendingFigures
from apps.history.errors import SamplesWrong
from apps.history.services import samples_store, states_store
from apps.history.types import SampleBatch, StateSample
from apps.nodes.models import Node, SampleChunk, StateChange
from apps.nodes.rows import address_text
from apps.nodes.subjects import NODE, node_subject

log = structlog.get_logger(__name__)

SOONEST_S = 5.0
LATEST_S = 60.0
SHARE = 0.05
"""How much of one core the feed may take: it runs less often where it takes long."""
BY_MINUTES_FROM_S = 30.0
"""Fed less often than that, only whole minutes are taken: each is then written once."""
ROUNDS_LATE = timedelta(seconds=8)
"""How long after a minute's end the last of its samples have come."""
SLACK = timedelta(seconds=5)
CLAIM = timedelta(seconds=20)
"""A feed that dies leaves its cluster to the next one after this time. One that goes on says so
with each step; if a step takes longer it may get company of another process, which costs time
and changes nothing else."""
FURTHEST = timedelta(seconds=2 * LATEST_S + 5)
BATCHES_AT_ONCE = 250
"""Series written in one transaction: others must not wait for long."""
FIGURES_AT_ONCE = 60_000
"""A minute of a thousand nodes with four workers each: some 50 MB while they are gathered."""
CHANGES_OVERLAP = 200
"""Changes of state read again: keys are given before rows can be seen."""
CHANGES_AT_ONCE = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What one feed moved."""

    samples: int
    changes: int
    refused: int
    """Series whose samples the history could not take; each is in the log."""
    duration_s: float
    """Of processor time."""


_feeding = threading.Lock()
"""One feed at a time in this process, however long it takes."""


class _Claim:
    """The right to feed, for as long as it is renewed."""

    def __init__(self, feed: HistoryFeed, *, at: datetime) -> None:
        self._feed_pk = feed.pk
        self._at = at
        self._began = time.monotonic()

    def renew(self) -> None:
        now = self._at + timedelta(seconds=time.monotonic() - self._began)
        HistoryFeed.objects.filter(pk=self._feed_pk).update(next_at=now + CLAIM)


def history_feed(*, at: datetime) -> Fed | None:
    """Feed the history with what has come; ``None`` when it is not time, or another does it.

    Samples, figures and changes of state; idempotent, and safe to kill at any moment.
    """
    if not _feeding.acquire(blocking=False):
        return None
    try:
        return _history_feed(at=at)
    finally:
        _feeding.release()


def _history_feed(*, at: datetime) -> Fed | None:
    cluster = Cluster.objects.order_by("pk").first()
    if cluster is None:
        return None
    feed, _ = HistoryFeed.objects.get_or_create(cluster=cluster, defaults={"next_at": at})
    # Later than any feed can ask for: the clock was put back, and it would wait for that long.
    due = Q(next_at__lte=at) | Q(next_at__gt=at + FURTHEST)
    claimed = HistoryFeed.objects.filter(due, pk=feed.pk).update(next_at=at + CLAIM)
    if not claimed:
        return None
    claim = _Claim(feed, at=at)
    # Of this thread's own: on a busy machine the time of day tells of the others' work.
    began = time.thread_time()
    before = _minute_bound(feed, at=at)
    up_to = _stored_whole(feed.cluster_id)
    labels = _labels(cluster)  # after that, so that no node with samples is missing
    samples, refused = _chunks_feed(feed, labels, claim, up_to=up_to, before=before, at=at)
    more, more_refused = _pending_feed(cluster, labels, claim, before=before, at=at)
    changes = _changes_feed(feed, labels, at=at)
    duration_s = time.thread_time() - began
    feed.duration_s = duration_s
    feed.fed_at = at
    feed.next_at = next_feed_at(duration_s, at=at)
    feed.save(update_fields=["duration_s", "fed_at", "next_at"])
    return Fed(
        samples=samples + more,
        changes=changes,
        refused=refused + more_refused,
        duration_s=duration_s,
    )


def next_feed_at(duration_s: float, *, at: datetime) -> datetime:
    """When to feed again after a feed that took so long."""
    interval_s = min(max(duration_s / SHARE, SOONEST_S), LATEST_S)
    soonest = at + timedelta(seconds=interval_s)
    if interval_s < BY_MINUTES_FROM_S:
        return soonest
    # Just after a minute's end, when all of its samples have come.
    minute = (soonest - ROUNDS_LATE + SLACK).replace(second=0, microsecond=0) + ROUNDS_LATE
    return minute if minute > at else minute + timedelta(minutes=1)


def _minute_bound(feed: HistoryFeed, *, at: datetime) -> datetime | None:
    """The end of the last minute that is complete, where the feed goes by minutes."""
    if feed.duration_s / SHARE < BY_MINUTES_FROM_S:
        return None
    return (at - ROUNDS_LATE).replace(second=0, microsecond=0)


def _labels(cluster: Cluster) -> dict[int, str]:
    rows = Node.objects.filter(cluster=cluster).values_list("pk", "host", "port")
    return {pk: address_text(host, port) for pk, host, port in rows}


def _chunks_feed(
    feed: HistoryFeed,
    labels: dict[int, str],
    claim: _Claim,
    *,
    up_to: int,
    before: datetime | None,
    at: datetime,
) -> tuple[int, int]:
    samples = refused = 0
    after, held = feed.chunk_position, 0
    seen = feed.chunk_seen
    while True:
        within = chunk_range(feed, after=after, up_to=up_to)
        held_now: list[int] = []
        for nodes in node_shares(within, labels):
            own = {pk: labels[pk] for pk in nodes}
            share = chunk_share(feed, within, before=before, labels=own)
            refused += _store(feed.cluster_id, share.gathered, claim, at=at)
            samples += share.gathered.samples
            held_now += [share.held_pk] if share.held_pk else []
        held = held or min(held_now, default=0)
        if within.last_pk > after:
            after = within.last_pk
            # Only now, and only up to what has been stored whole.
            feed.chunk_position = held - 1 if held else after
            if within.is_last:
                feed.chunk_seen, feed.stored_before = max(seen, after), before
            feed.save(update_fields=["chunk_position", "chunk_seen", "stored_before"])
        if within.is_last:
            return samples, refused


def _stored_whole(cluster_key: int) -> int:
    """The newest chunk's key, when no chunk before it can still turn up.

    Keys are given when rows are written, and rows are seen when they are committed: with
    several processes that poll, a lower key can come after a higher one was read. Who
    stores a round holds its own row in this table.
    """
    with transaction.atomic():
        list(CollectorMember.objects.select_for_update().order_by("pk").filter(cluster=cluster_key))
        return SampleChunk.objects.aggregate(newest=Max("pk"))["newest"] or 0


def _pending_feed(
    cluster: Cluster,
    labels: dict[int, str],
    claim: _Claim,
    *,
    before: datetime | None,
    at: datetime,
) -> tuple[int, int]:
    rows = PendingFigures.objects.filter(cluster=cluster)
    if before is not None:
        rows = rows.filter(at__lt=before)
    samples = refused = 0
    for kind in KEPT_KINDS:
        of_kind = rows.filter(kind=kind).order_by("pk")
        while True:
            gathered, done = Gathered(), []
            for pending in of_kind.iterator(chunk_size=10):
                pending_gather(pending, gathered, labels=labels)
                done.append(pending.pk)
                if gathered.samples >= FIGURES_AT_ONCE:
                    break
            if not done:
                break
            refused += _store(cluster.pk, gathered, claim, at=at)
            samples += gathered.samples
            PendingFigures.objects.filter(pk__in=done).delete()
    return samples, refused


def _store(cluster_key: int, gathered: Gathered, claim: _Claim, *, at: datetime) -> int:
    """Returns how many series were refused."""
    batches = gathered.batches()
    refused = 0
    for start in range(0, len(batches), BATCHES_AT_ONCE):
        claim.renew()
        refused += _batches_store(cluster_key, batches[start : start + BATCHES_AT_ONCE], at=at)
    return refused


def _batches_store(cluster_key: int, batches: Sequence[SampleBatch], *, at: datetime) -> int:
    """One node's nonsense must not keep the others' samples out of the history."""
    try:
        samples_store(cluster_key=cluster_key, batches=batches, at=at)
    except SamplesWrong as wrong:
        if len(batches) == 1:
            one = batches[0]
            log.warning(
                "samples refused",
                subject=one.subject_key,
                kind=one.kind,
                samples=len(one.times_ms),
                reason=wrong.message,
            )
            return 1
        return sum(_batches_store(cluster_key, [one], at=at) for one in batches)
    return 0


def _changes_feed(feed: HistoryFeed, labels: dict[int, str], *, at: datetime) -> int:
    """Changes of state behind the position, with some before it, which changes nothing."""
    rows = StateChange.objects.filter(
        node__cluster=feed.cluster_id, pk__gt=feed.state_position - CHANGES_OVERLAP
    ).order_by("pk")[:CHANGES_AT_ONCE]
    changes = [change for change in rows if change.node_id in labels]
    newest = max((change.pk for change in changes), default=0)
    if newest <= feed.state_position:
        return 0
    states_store(
        cluster_key=feed.cluster_id,
        changes=[
            StateSample(
                subject_kind=NODE,
                subject_key=node_subject(change.node_id).key,
                label=labels[change.node_id],
                state=change.to_state,
                since=change.at,
                boot=change.boot,
            )
            for change in changes
        ],
        at=at,
    )
    new = sum(change.pk > feed.state_position for change in changes)
    feed.state_position = newest
    feed.save(update_fields=["state_position"])
    return new
