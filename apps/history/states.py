"""States as samples: a number for each name, and the collector's own mark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from apps.history.errors import SamplesWrong
from apps.history.metrics import STATES
from apps.history.models import Series
from apps.history.types import SampleBatch, StateSample

COLLECTOR = "collector"
"""Subject key of the portal's own series of marks."""

MARK_EVERY = timedelta(seconds=30)
AT_WORK = "alive"


def state_batches(changes: Sequence[StateSample]) -> list[SampleBatch]:
    """Changes → one batch per subject and boot. Raises SamplesWrong."""
    groups: dict[tuple[str, str, str, int | None], list[StateSample]] = defaultdict(list)
    for change in changes:
        if change.state not in STATES:
            raise SamplesWrong(
                f"There is no state {change.state!r}; there are {', '.join(STATES)}."
            )
        groups[change.subject_kind, change.subject_key, change.label, change.boot].append(change)
    return [
        SampleBatch(
            subject_kind=kind,
            subject_key=key,
            kind="state",
            label=label,
            boot=boot,
            times_ms=[milliseconds(change.since) for change in listed],
            event_ids=None,
            columns={"state": [STATES.index(change.state) for change in listed]},
        )
        for (kind, key, label, boot), listed in groups.items()
    ]


def mark_due(cluster_key: int, at: datetime) -> bool:
    """Is it time for another mark of the collector?"""
    last = Series.objects.filter(
        cluster_key=cluster_key, kind="state", subject_key=COLLECTOR
    ).values_list("last_at", flat=True)
    newest = last.first()
    return newest is None or not timedelta(0) <= at - newest < MARK_EVERY


def mark(at: datetime) -> StateSample:
    return StateSample("portal", COLLECTOR, "Collector", AT_WORK, at)


def milliseconds(at: datetime) -> int:
    """Unix milliseconds, exactly."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
