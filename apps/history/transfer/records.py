"""Stored samples ↔ records: one sample of one subject, all values exact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.history.codec.blocks import block_unpack
from apps.history.errors import SamplesWrong
from apps.history.metrics import KINDS
from apps.history.models import Series
from apps.history.reading.entries import blocks_between, entries_of
from apps.history.services import samples_store
from apps.history.types import SampleBatch, Stored, Value

HEAD = ("subject_kind", "subject_key", "label", "boot", "event_id", "time_ms")
SAMPLES_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class Record:
    subject_kind: str
    subject_key: str
    label: str
    boot: int | None
    event_id: int | None
    time_ms: int
    values: Sequence[Value]
    """In the order of the kind's catalogue, or of the file's own columns."""


def names_of(kind: str) -> tuple[str, ...]:
    """Metric names of a kind, in order."""
    return tuple(metric.name for metric in KINDS[kind])


def records_read(series: Series, start_ms: int, end_ms: int) -> Iterator[list[Record]]:
    """The samples of a series in [start_ms, end_ms), block by block."""
    names = names_of(series.kind)
    for _, block in blocks_between(series, start_ms, end_ms):
        yield [
            Record(
                series.subject_kind,
                series.subject_key,
                series.label,
                entry.boot,
                entry.event_id,
                entry.time_ms,
                [entry.values[name] for name in names],
            )
            for entry in entries_of(block_unpack(block), series.kind)
            if start_ms <= entry.time_ms < end_ms
        ]


def records_store(
    records: Iterable[Record],
    *,
    cluster_key: int,
    kind: str,
    names: Sequence[str],
    at: datetime,
) -> Iterator[Stored]:
    """Store records whose values stand in the order of `names`; yields after each portion.

    Raises SamplesWrong for columns that the kind does not have.
    """
    foreign = sorted(set(names) - set(names_of(kind)))
    if foreign:
        raise SamplesWrong(f"{kind!r} has no metric {', '.join(foreign)}.")
    waiting: dict[tuple[Any, ...], list[Record]] = {}
    count = 0
    for record in records:
        key = (record.subject_kind, record.subject_key, record.label, record.boot)
        waiting.setdefault(key, []).append(record)
        count += 1
        if count == SAMPLES_AT_ONCE:
            yield _store(waiting, cluster_key, kind, names, at)
            waiting, count = {}, 0
    if waiting:
        yield _store(waiting, cluster_key, kind, names, at)


def _store(
    waiting: dict[tuple[Any, ...], list[Record]],
    cluster_key: int,
    kind: str,
    names: Sequence[str],
    at: datetime,
) -> Stored:
    batches = []
    for (subject_kind, subject_key, label, boot), records in waiting.items():
        columns = zip(*(record.values for record in records), strict=True)
        ids: Any = [record.event_id for record in records]
        batches.append(
            SampleBatch(
                subject_kind=subject_kind,
                subject_key=subject_key,
                kind=kind,
                label=label,
                boot=boot,
                times_ms=[record.time_ms for record in records],
                event_ids=None if all(one is None for one in ids) else ids,
                columns=dict(zip(names, columns, strict=True)),
            )
        )
    return samples_store(cluster_key=cluster_key, batches=batches, at=at)
