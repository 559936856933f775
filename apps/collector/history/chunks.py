"""System samples, as rounds stored them → columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.collector.history.columns import Gathered, row_of
from apps.collector.models import HistoryFeed
from apps.nodes.models import SampleChunk
from apps.nodes.subjects import node_subject

SAMPLES_IN_RANGE = 120_000
"""Two minutes of a thousand nodes."""
SAMPLES_AT_ONCE = 20_000
"""Some 20 MB while they are gathered: the nodes of a range are taken a share at a time, so that
the minutes of each are still written once."""
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class ChunkRange:
    """The chunks behind key `after` and up to `last_pk`."""

    after: int
    last_pk: int
    """As `after`: there are none."""
    samples: int
    is_last: bool


@dataclass(slots=True)
class ChunkShare:
    """What some nodes told in a range."""

    gathered: Gathered
    held_pk: int
    """The oldest chunk that has samples of the minute still running; 0: none has."""


def chunk_range(feed: HistoryFeed, *, after: int, up_to: int) -> ChunkRange:
    """As many chunks as the feed takes before it writes down where it stands."""
    rows = (
        SampleChunk.objects.filter(node__cluster=feed.cluster_id, pk__gt=after, pk__lte=up_to)
        .order_by("pk")
        .values_list("pk", "first_event_id", "last_event_id")
    )
    samples, last_pk = 0, after
    for pk, first, last in rows.iterator(chunk_size=2000):
        samples += last - first + 1
        last_pk = pk
        if samples >= SAMPLES_IN_RANGE:
            return ChunkRange(after, last_pk, samples, is_last=False)
    return ChunkRange(after, last_pk, samples, is_last=True)


def node_shares(within: ChunkRange, node_pks: Iterable[int]) -> list[list[int]]:
    """The nodes, in as many parts as keep a part's samples few."""
    listed = list(node_pks)
    parts = min(math.ceil(within.samples / SAMPLES_AT_ONCE), len(listed))
    return [listed[part::parts] for part in range(parts)]


def chunk_share(
    feed: HistoryFeed,
    within: ChunkRange,
    *,
    before: datetime | None,
    labels: Mapping[int, str],
) -> ChunkShare:
    """Samples of the nodes in `labels`, by their own wall time.

    With `before`, only samples earlier than that (by the portal's clock), so that whole
    minutes are written once. What the last feed took of a chunk is left out.
    """
    share = ChunkShare(Gathered(), 0)
    chunks = (
        SampleChunk.objects.filter(
            node__in=sorted(labels), pk__gt=within.after, pk__lte=within.last_pk
        )
        .order_by("pk")
        .iterator(chunk_size=500)
    )
    for chunk in chunks:
        since = feed.stored_before if chunk.pk <= feed.chunk_seen else None
        if before is not None and chunk.last_at >= before and not share.held_pk:
            share.held_pk = chunk.pk
        _chunk_gather(
            chunk, share.gathered, since=since, before=before, label=labels[chunk.node_id]
        )
    return share


def _chunk_gather(
    chunk: SampleChunk,
    gathered: Gathered,
    *,
    since: datetime | None,
    before: datetime | None,
    label: str,
) -> None:
    subject = node_subject(chunk.node_id)
    for entry in _entries(chunk, since=since, before=before):
        gathered.add(
            subject,
            "system",
            label=label,
            boot=chunk.boot,
            time_ms=entry["wall_time_ns"] // NS_PER_MS,
            row=row_of("system", entry),
            event_id=entry["event_id"],
        )


def _entries(
    chunk: SampleChunk, *, since: datetime | None, before: datetime | None
) -> Iterator[dict[str, Any]]:
    """Those entries that the portal's clock puts into [since, before)."""
    late = since is not None and chunk.first_at < since
    early = before is not None and chunk.last_at >= before
    if not late and not early:
        yield from chunk.entries
        return
    newest_ns = chunk.entries[-1]["timestamp_ns"]
    for entry in chunk.entries:
        back = timedelta(microseconds=(newest_ns - entry["timestamp_ns"]) // 1000)
        at = chunk.last_at - back
        if (since is None or at >= since) and (before is None or at < before):
            yield entry
