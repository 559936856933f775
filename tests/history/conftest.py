"""Samples to store, and what a plain computation makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from apps.history.types import SampleBatch, SubjectRef, Value

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
"""Noon: the samples of the tests lie in the hours before."""

CLUSTER = 1
BOOT = 4_350_241_753_646


def ms(at: datetime) -> int:
    return int(at.timestamp()) * 1000


def node(key: str = "1") -> SubjectRef:
    return SubjectRef("node", key)


def batch(
    times_ms: Sequence[int],
    *,
    key: str = "1",
    kind: str = "system",
    subject_kind: str = "node",
    boot: int | None = BOOT,
    event_ids: Sequence[int] | None = None,
    **columns: Sequence[Value],
) -> SampleBatch:
    return SampleBatch(
        subject_kind=subject_kind,
        subject_key=key,
        kind=kind,
        label=f"label {key}",
        boot=boot,
        times_ms=list(times_ms),
        event_ids=event_ids,
        columns=columns,
    )
