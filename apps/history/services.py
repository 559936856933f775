"""Writing history. Callers need no transaction of their own: each step makes its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.history import ingest, merge, retention, states
from apps.history.limits import retention_limits
from apps.history.types import Removed, RetentionLimits, SampleBatch, StateSample, Stored

__all__ = [
    "collection_mark",
    "history_merge",
    "retention_apply",
    "retention_limits",
    "samples_store",
    "states_store",
]


def samples_store(*, cluster_key: int, batches: Sequence[SampleBatch], at: datetime) -> Stored:
    """Store samples; those already there change nothing, in whatever order they come.

    A sample is known by (boot, event id) within its minute, or by (boot, time) where there
    are no event ids. Samples of a minute that is partly stored are merged into it; an hour
    that was merged comes apart again for a late one. Best given in whole minutes (each call
    rewrites the minutes it touches), many subjects at once: 1,000 nodes take well under a
    second. Raises SamplesWrong (an unknown kind or metric, lists of different length, times
    outside the years 1970 to 2099); then nothing is stored.
    """
    return ingest.store(cluster_key, batches, at)


def states_store(*, cluster_key: int, changes: Sequence[StateSample], at: datetime) -> Stored:
    """Store changes of state; repeated ones change nothing. Raises SamplesWrong."""
    return ingest.store(cluster_key, states.state_batches(changes), at)


def collection_mark(*, cluster_key: int, at: datetime) -> None:
    """The collector was at work at `at`: call it every round; writes once in 30 s.

    Where marks are missing for longer than `selectors.BLIND_AFTER_S`, the portal did not
    look, and `state_timeline` shows "not known" instead of the last state.
    """
    if states.mark_due(cluster_key, at):
        ingest.store(cluster_key, states.state_batches([states.mark(at)]), at)


def history_merge(*, at: datetime, limit: int = 5000) -> int:
    """Merge hours that ended two hours ago or earlier, at most `limit` → how many were.

    In small transactions. Call again while it returns `limit`.
    """
    return merge.merge(at, limit)


def retention_apply(*, at: datetime, limits: RetentionLimits, step: int = 2000) -> Removed:
    """Remove what is due, at most about `step` rows, in one short transaction.

    Call again while `done` is false, with a pause between. Only merged hours are removed:
    call `history_merge` first.
    """
    return retention.apply(at, limits, step)
