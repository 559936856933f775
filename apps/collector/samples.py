"""Which samples to ask a node for, and which of those that came are new.

A runtime numbers its 1 Hz samples from 0 after each start, and keeps the recent ones. So
the next question begins after the last stored sample; a portal that was away closes its
gap with the first answer; and a restart is noticed by another boot number, or, where the
client can't tell boots apart, by ids that begin anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apps.common.time import from_unix_ns
from apps.runtime.types import SystemSample

BEYOND_ANY_EVENT = 2_000_000_000
"""Sixty years of samples: the answer is empty, and a sign of life that costs nothing."""

CATCH_UP_AFTER = timedelta(seconds=60)
"""A node not heard of for longer has a long answer ready."""

SILENT_SAMPLER = timedelta(seconds=10)
"""A runtime that answers but has had nothing new for this long may have begun anew."""

CHUNK_SAMPLES = 300
LONGEST_RING = timedelta(days=30)
CLOCK_TRUST_S = 5.0
"""A sample's own time is believed when it is this close to when it came."""


@dataclass(frozen=True, slots=True)
class SampleCursor:
    """How far the samples of one node are stored."""

    boot: int | None = None
    last_event_id: int | None = None
    received_at: datetime | None = None
    """When the last new sample came; ``None`` when it was before this process."""
    asked_anew_at: datetime | None = None

    def catches_up(self, *, at: datetime) -> bool:
        """Will the answer be long?"""
        if self.last_event_id is None or self.received_at is None:
            return True
        return at - self.received_at > CATCH_UP_AFTER

    @property
    def first_missing(self) -> int:
        """The first event of this process that is not stored."""
        return 0 if self.last_event_id is None else self.last_event_id + 1

    def next_event_id(self, *, at: datetime) -> int:
        """What to ask for; 0 when nothing is known, or the ids may have begun anew."""
        newest = max(filter(None, (self.received_at, self.asked_anew_at)), default=at)
        return 0 if at - newest > SILENT_SAMPLER else self.first_missing


@dataclass(frozen=True, slots=True)
class Arrived:
    """What an answer brought."""

    cursor: SampleCursor
    new: tuple[SystemSample, ...]
    """To be stored, oldest first."""
    newest: SystemSample | None
    """The newest figures there are in the answer."""
    restarted: bool


def samples_arrive(
    cursor: SampleCursor,
    samples: Sequence[SystemSample],
    *,
    boot: int | None,
    asked_from: int,
    at: datetime,
) -> Arrived:
    """Take in an answer. `samples` ascend by event id; `at` is when they came.

    Where `boot` is ``None`` the client can't tell one process from the next: a negative
    number is given instead, another one after each restart.
    """
    newest = samples[-1] if samples else None
    known = cursor.boot if boot is None else boot
    restarted = cursor.boot is not None and known != cursor.boot
    if boot is None:
        began_anew = (
            newest is not None
            and cursor.last_event_id is not None
            and newest.event_id < cursor.last_event_id
        )
        restarted = began_anew
        if known is None or began_anew:
            known = -int(at.timestamp() * 1_000_000)
    if restarted or cursor.boot is None:
        cursor = SampleCursor(boot=known)
    elif asked_from == 0:
        cursor = replace(cursor, asked_anew_at=at)
    if asked_from > cursor.first_missing:
        # It begins behind what is missing: that has to be asked for before any of it is stored.
        # So it is with the first answer of a new process, and with every other answer to what
        # was asked before that one had been taken in.
        return Arrived(cursor, (), newest, restarted)
    return _store(cursor, samples, at=at, restarted=restarted)


def _store(
    cursor: SampleCursor, samples: Sequence[SystemSample], *, at: datetime, restarted: bool
) -> Arrived:
    last = cursor.last_event_id
    new = tuple(sample for sample in samples if last is None or sample.event_id > last)
    if new:
        cursor = replace(cursor, last_event_id=new[-1].event_id, received_at=at)
    return Arrived(cursor, new, samples[-1] if samples else None, restarted)


def chunks_of(samples: Sequence[SystemSample]) -> Iterator[Sequence[SystemSample]]:
    """Samples in pieces that a reader of the recent tail need not take whole."""
    for start in range(0, len(samples), CHUNK_SAMPLES):
        yield samples[start : start + CHUNK_SAMPLES]


def clock_skew_s(sample: SystemSample, *, received_at: datetime) -> float:
    """The portal's clock minus the sample's; up to a second or two is the sample's age."""
    return (received_at - from_unix_ns(sample.wall_time_ns)).total_seconds()


def sample_time(sample: SystemSample, *, received_at: datetime) -> datetime:
    """The sample's own time, or when it came if the node's clock can't be believed."""
    own = from_unix_ns(sample.wall_time_ns)
    believed = abs((received_at - own).total_seconds()) <= CLOCK_TRUST_S
    return own if believed else received_at


def time_from(anchor: SystemSample, anchor_at: datetime, sample: SystemSample) -> datetime:
    """When `sample` was taken, counted back from `anchor` by the node's monotonic clock.

    So a gap of minutes that one answer closes keeps its shape when the wall clock is off.
    """
    behind = timedelta(microseconds=max(anchor.timestamp_ns - sample.timestamp_ns, 0) // 1000)
    return anchor_at - min(behind, LONGEST_RING)
