"""The outcomes of a round → rows to store. Nothing here touches the database or the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.collector.clocks import ClockOffset, offset_add
from apps.collector.engine import Memory
from apps.collector.figures import (
    container_figures,
    device_figures,
    entry_figures,
    pool_figures,
    worker_figures,
)
from apps.collector.rates import Reading, devices_with_rates
from apps.collector.samples import (
    SampleCursor,
    chunks_of,
    clock_skew_s,
    sample_time,
    samples_arrive,
    time_from,
)
from apps.nodes.models import FigureKind, LatestFigures, SampleChunk
from apps.runtime.decode import (
    answer_part,
    decode_block_devices,
    decode_containers,
    decode_system_samples,
    decode_workers,
)
from apps.runtime.errors import RuntimeFailure
from apps.runtime.queries import BLOCK_DEVICES, CONTAINERS, WORKERS
from apps.runtime.scatter import Outcome
from apps.runtime.types import SystemSample, Target

MAX_STORED_BOOT = 2**63 - 1


@dataclass(slots=True)
class Identity:
    """What a node said of itself."""

    sample: SystemSample | None = None
    boot: int | None = None
    answered_at: datetime | None = None
    restarted: bool = False
    clock: ClockOffset | None = None
    """``None``: nothing new was learnt of its clock."""


@dataclass(slots=True)
class Harvest:
    """Everything that a round has to store; of rows with one (node key, kind) the last counts."""

    good: dict[tuple[int, str], LatestFigures] = field(default_factory=dict)
    """New figures."""
    quiet: dict[tuple[int, str], LatestFigures] = field(default_factory=dict)
    """Answered, with nothing new."""
    failed: dict[tuple[int, str], LatestFigures] = field(default_factory=dict)
    chunks: list[SampleChunk] = field(default_factory=list)
    identities: dict[int, Identity] = field(default_factory=dict)
    cursors: dict[int, SampleCursor] = field(default_factory=dict)
    readings: dict[int, Reading] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)
    long_answers: list[int] = field(default_factory=list)
    """How many samples each node brought that had been out of sight."""

    @property
    def clocks(self) -> dict[int, ClockOffset]:
        return {pk: one.clock for pk, one in self.identities.items() if one.clock is not None}

    def put_good(self, row: LatestFigures) -> None:
        key = (row.node_id, row.kind)
        self.quiet.pop(key, None)
        self.failed.pop(key, None)
        self.good[key] = row

    def put_quiet(self, row: LatestFigures) -> None:
        key = (row.node_id, row.kind)
        self.failed.pop(key, None)
        if key in self.good:
            self.good[key].answered_at = row.answered_at
        else:
            self.quiet[key] = row

    def put_failed(self, row: LatestFigures) -> None:
        self.failed[row.node_id, row.kind] = row


Taker = Callable[[Harvest, Memory, int, Outcome, bytes], None]


def harvest_make(
    kind: str, outcomes: Iterable[Outcome], *, nodes: Mapping[Target, int], memory: Memory
) -> Harvest:
    """Decode every outcome, oldest question first. A bad answer is that node's failure only."""
    take = _TAKERS[kind]
    harvest = Harvest()
    for outcome in outcomes:
        node_pk = nodes.get(outcome.target)
        if node_pk is None:
            continue  # it left the host list while its answer was under way
        if outcome.answer is None:
            # Not raised: a failure that is kept would keep the frames it passed through, too.
            _put_failed(harvest, kind, node_pk, outcome, outcome.failure)
            continue
        try:
            query = outcome.query.partition(":")[0]
            part = answer_part(outcome.answer, target=outcome.target, query=query)
            take(harvest, memory, node_pk, outcome, part)
            harvest.answered.add(node_pk)
        except RuntimeFailure as failure:
            _put_failed(harvest, kind, node_pk, outcome, failure)
    return harvest


_ROW_KINDS = {FigureKind.CONTAINERS.value: (FigureKind.CONTAINERS, FigureKind.POOLS)}


def _put_failed(
    harvest: Harvest, kind: str, node_pk: int, outcome: Outcome, failure: RuntimeFailure | None
) -> None:
    if failure is not None:
        for row_kind in _ROW_KINDS.get(kind, (kind,)):
            harvest.put_failed(_failed_row(node_pk, row_kind, outcome, failure))


def _failed_row(
    node_pk: int, kind: str, outcome: Outcome, failure: RuntimeFailure
) -> LatestFigures:
    return LatestFigures(
        node_id=node_pk,
        kind=kind,
        error_code=failure.code,
        error_message=f"{failure.message} {failure.remedy}",
        error_at=outcome.settled_at,
    )


def _good_row(
    node_pk: int, kind: str, outcome: Outcome, figures: Any, **changes: Any
) -> LatestFigures:
    values = {
        "sampled_at": outcome.settled_at,
        "received_at": outcome.settled_at,
        "answered_at": outcome.settled_at,
        "latency_s": outcome.latency_s,
        "boot": boot_of(outcome),
    }
    return LatestFigures(node_id=node_pk, kind=kind, figures=figures, **values | changes)


def boot_of(outcome: Outcome) -> int | None:
    """The answering process's boot number, as it can be stored."""
    boot = outcome.answer.boot if outcome.answer is not None else None
    return None if boot is None else boot & MAX_STORED_BOOT


def asked_from(query: str) -> int:
    """``system_stats:N`` → N; without one, 0."""
    _, _, number = query.partition(":")
    return int(number) if number else 0


def _take_system(
    harvest: Harvest, memory: Memory, node_pk: int, outcome: Outcome, part: bytes
) -> None:
    samples = decode_system_samples(part, target=outcome.target)
    cursor = harvest.cursors.get(node_pk) or memory.cursors.get(node_pk) or SampleCursor()
    arrived = samples_arrive(
        cursor,
        samples,
        boot=boot_of(outcome),
        asked_from=asked_from(outcome.query),
        at=outcome.settled_at,
    )
    harvest.cursors[node_pk] = arrived.cursor
    if arrived.new and cursor.catches_up(at=outcome.asked_at):
        harvest.long_answers.append(len(samples))
    boot = arrived.cursor.boot
    identity = harvest.identities.setdefault(node_pk, Identity())
    identity.boot, identity.answered_at = boot, outcome.settled_at
    identity.restarted = identity.restarted or arrived.restarted
    if arrived.new:
        harvest.chunks += _chunks(node_pk, arrived.new, boot=boot, at=outcome.settled_at)
    newest = arrived.newest
    fresh = newest is not None and (arrived.new or arrived.restarted)
    if newest is None or not fresh:
        quiet = LatestFigures(
            node_id=node_pk, kind=FigureKind.SYSTEM, answered_at=outcome.settled_at
        )
        quiet.latency_s = outcome.latency_s
        harvest.put_quiet(quiet)
        return
    identity.sample = newest
    identity.clock = offset_add(
        identity.clock or memory.clocks.get(node_pk),
        newest,
        asked_at=outcome.asked_at,
        settled_at=outcome.settled_at,
    )
    harvest.put_good(
        _good_row(
            node_pk,
            FigureKind.SYSTEM,
            outcome,
            entry_figures(newest),
            sampled_at=sample_time(newest, received_at=outcome.settled_at),
            clock_skew_s=clock_skew_s(newest, received_at=outcome.settled_at),
            boot=boot,
        )
    )


def _chunks(
    node_pk: int, samples: tuple[SystemSample, ...], *, boot: int | None, at: datetime
) -> list[SampleChunk]:
    anchor = samples[-1]
    anchor_at = sample_time(anchor, received_at=at)
    return [
        SampleChunk(
            node_id=node_pk,
            boot=boot,
            first_event_id=piece[0].event_id,
            last_event_id=piece[-1].event_id,
            first_at=time_from(anchor, anchor_at, piece[0]),
            last_at=time_from(anchor, anchor_at, piece[-1]),
            entries=[entry_figures(sample) for sample in piece],
        )
        for piece in chunks_of(samples)
    ]


def _take_workers(
    harvest: Harvest, memory: Memory, node_pk: int, outcome: Outcome, part: bytes
) -> None:
    del memory
    workers = decode_workers(part, target=outcome.target)
    harvest.put_good(_good_row(node_pk, FigureKind.WORKERS, outcome, worker_figures(workers)))


def _take_devices(
    harvest: Harvest, memory: Memory, node_pk: int, outcome: Outcome, part: bytes
) -> None:
    devices = [device_figures(one) for one in decode_block_devices(part, target=outcome.target)]
    before = harvest.readings.get(node_pk) or memory.readings.get(node_pk)
    boot = boot_of(outcome)
    rated = devices_with_rates(devices, before=before, at=outcome.settled_at, boot=boot)
    harvest.readings[node_pk] = Reading(outcome.settled_at, boot, tuple(devices))
    harvest.put_good(_good_row(node_pk, FigureKind.BLOCK_DEVICES, outcome, rated))


def _take_containers(
    harvest: Harvest, memory: Memory, node_pk: int, outcome: Outcome, part: bytes
) -> None:
    del memory
    containers = decode_containers(part, target=outcome.target)
    harvest.put_good(
        _good_row(node_pk, FigureKind.CONTAINERS, outcome, container_figures(containers))
    )
    harvest.put_good(_good_row(node_pk, FigureKind.POOLS, outcome, pool_figures(containers)))


_TAKERS: dict[str, Taker] = {
    FigureKind.SYSTEM: _take_system,
    FigureKind.WORKERS: _take_workers,
    FigureKind.BLOCK_DEVICES: _take_devices,
    FigureKind.CONTAINERS: _take_containers,
}
QUERIES: dict[str, str] = {
    FigureKind.WORKERS: WORKERS,
    FigureKind.BLOCK_DEVICES: BLOCK_DEVICES,
    FigureKind.CONTAINERS: CONTAINERS,
}
"""What to ask for each kind but system, whose question differs by node."""
