"""System samples, as rounds stored them → columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.collector.history.columns import Gathered, row_of
from apps.collector.models import HistoryFeed
from apps.nodes.models import SampleChunk
from apps.nodes.subjects import node_subject

SAMPLES_AT_ONCE = 120_000
"""Two minutes of a thousand nodes: some 100 MB while they are gathered."""
NS_PER_MS = 1_000_000


@dataclass(slots=True)
class ChunkPage:
    """What was read, and where the feed stands once it is stored."""

    gathered: Gathered
    last_pk: int
    """The newest chunk of the page; 0: there was none."""
    held_pk: int
    """The oldest chunk that has samples of the minute still running; 0: none has."""
    is_last: bool


def chunk_page(
    feed: HistoryFeed,
    *,
    after: int,
    up_to: int,
    before: datetime | None,
    labels: Mapping[int, str],
) -> ChunkPage:
    """Samples of the chunks behind key `after` and up to `up_to`, by their own wall time.

    With `before`, only samples earlier than that (by the portal's clock), so that whole
    minutes are written once. What the last feed took of a chunk is left out.
    """
    page = ChunkPage(Gathered(), 0, 0, is_last=True)
    chunks = (
        SampleChunk.objects.filter(node__cluster=feed.cluster_id, pk__gt=after, pk__lte=up_to)
        .order_by("pk")
        .iterator(chunk_size=1000)
    )
    for chunk in chunks:
        page.last_pk = chunk.pk
        since = feed.stored_before if chunk.pk <= feed.chunk_seen else None
        if before is not None and chunk.last_at >= before and not page.held_pk:
            page.held_pk = chunk.pk
        label = labels.get(chunk.node_id)
        if label is not None:
            _chunk_gather(chunk, page.gathered, since=since, before=before, label=label)
        if page.gathered.samples >= SAMPLES_AT_ONCE:
            page.is_last = False
            break
    return page


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
