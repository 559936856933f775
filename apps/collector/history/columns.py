"""Figures by name → columns of the history's metrics. Not known stays ``None``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.history.metrics import KINDS
from apps.history.types import SampleBatch, SubjectRef, Value

NO_PREDICTION_DAYS = 999_999
"""What a runtime writes for "no prediction"."""

Figures = Mapping[str, Any]
Reader = Callable[[Figures], Value]


def _plain(name: str) -> Reader:
    def read(figures: Figures) -> Value:
        value = figures.get(name)
        return int(value) if isinstance(value, bool) else value

    return read


def _prediction(figures: Figures) -> Value:
    days: Value = figures.get("predicted_ttl_days")
    return None if days is None or days >= NO_PREDICTION_DAYS else days


_SPECIAL: dict[tuple[str, str], Reader] = {
    ("worker", "load_us"): _plain("load"),
    ("block_device", "predicted_ttl_days"): _prediction,
}


def _readers(kind: str) -> tuple[tuple[str, Reader], ...]:
    return tuple(
        (metric.name, _SPECIAL.get((kind, metric.name)) or _plain(metric.name))
        for metric in KINDS[kind]
    )


READERS = {kind: _readers(kind) for kind in ("system", "worker", "block_device", "containers")}
"""Metric and where its value comes from, in the catalogue's order."""


def row_of(kind: str, figures: Figures) -> list[Value]:
    """The values of one sample, in the order of the kind's metrics."""
    return [read(figures) for _, read in READERS[kind]]


_WORKERS_SUMS = (
    ("num_running", "is_running"),
    ("num_active", "is_active"),
    ("num_queued_tasks", "num_queued_tasks"),
    ("num_blocked_tasks", "num_blocked_tasks"),
    ("num_periodic_tasks", "num_periodic_tasks"),
    ("num_retry_tasks", "num_retry_tasks"),
    ("load_us", "load_us"),
    ("num_tasks_processed", "num_tasks_processed"),
)
_WORKER_PLACE = {metric.name: place for place, metric in enumerate(KINDS["worker"])}


def workers_row(rows: Sequence[Sequence[Value]]) -> list[Value]:
    """The sums over a node's workers, in the order of kind ``workers``. A sum of which one
    part is not known is not known.
    """
    sums: dict[str, Value] = {"count": len(rows)}
    for name, source in _WORKERS_SUMS:
        sums[name] = _sum(row[_WORKER_PLACE[source]] for row in rows)
    return [sums[metric.name] for metric in KINDS["workers"]]


def _sum(values: Iterable[Value]) -> Value:
    total: float | int = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


@dataclass(slots=True)
class Column:
    """Samples of one series from one process, being gathered."""

    subject: SubjectRef
    kind: str
    label: str
    boot: int | None
    times_ms: list[int] = field(default_factory=list)
    event_ids: list[int] = field(default_factory=list)
    rows: list[list[Value]] = field(default_factory=list)

    def add(self, time_ms: int, row: list[Value], *, event_id: int | None = None) -> None:
        self.times_ms.append(time_ms)
        self.rows.append(row)
        if event_id is not None:
            self.event_ids.append(event_id)

    def batch(self) -> SampleBatch:
        values = zip(*self.rows, strict=True)
        names = (metric.name for metric in KINDS[self.kind])
        return SampleBatch(
            subject_kind=self.subject.kind,
            subject_key=self.subject.key,
            kind=self.kind,
            label=self.label,
            boot=self.boot,
            times_ms=self.times_ms,
            event_ids=self.event_ids or None,
            columns=dict(zip(names, values, strict=True)),
        )


class Gathered:
    """Columns by series and process."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, str, int | None], Column] = {}
        self.samples = 0

    def add(
        self,
        subject: SubjectRef,
        kind: str,
        *,
        label: str,
        boot: int | None,
        time_ms: int,
        row: list[Value],
        event_id: int | None = None,
    ) -> None:
        key = (subject.key, kind, boot)
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = Column(subject, kind, label, boot)
        column.add(time_ms, row, event_id=event_id)
        self.samples += 1

    def batches(self) -> list[SampleBatch]:
        return [column.batch() for column in self._columns.values()]
