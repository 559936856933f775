"""One round of polling: ask every node at once, store what came, judge who is alive."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F

from apps.cluster.models import Cluster
from apps.cluster.services import cluster_ensure, cluster_touch
from apps.collector.answers import Harvest, Identity, harvest_make
from apps.collector.crew import crew_hand_over, crew_holds, crew_join, crew_nodes, crew_others
from apps.collector.engine import Engine
from apps.collector.history.pending import KEPT_KINDS, pending_store
from apps.collector.judge import heartbeat_store, state_verdicts
from apps.collector.memory import memory_keep, memory_load
from apps.collector.models import PollRound
from apps.collector.questions import asks_make
from apps.collector.store import harvest_store, identities_changed, identities_store
from apps.nodes.freshness import interval_s
from apps.nodes.models import FigureKind, Node
from apps.nodes.services import node_states_store, nodes_lock
from apps.runtime.liveness import Verdict
from apps.runtime.scatter import DEFAULT_BUDGET_S, Outcome, Round
from apps.runtime.types import Target

logger = logging.getLogger(__name__)

BUDGET_SHARE = 0.7
"""How much of its interval a round may spend waiting for answers."""

SLICE_NODES = 50
"""Containers of so many nodes are asked for at a time: an answer has up to 44 kB, and takes
milliseconds to decode, in which no other round of this process gets on."""
PIECE_BYTES = 400_000
"""Answers are decoded and stored so many bytes at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCounts:
    asked: int
    answered: int
    failed: int
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    cluster_pk: int
    kind: str
    number: int
    counts: RoundCounts
    states_changed: int
    duration_s: float
    """From the first question to the end of waiting for answers."""


def round_run(engine: Engine, *, kind: str, at: datetime) -> RoundResult | None:
    """Run one round of `kind` (a `FigureKind` that is polled) that begins at `at`, now.

    Over the nodes that this process polls; see `crew`. ``None``: skipped, because the one
    before is still running (it is counted), or because others took this process for dead.
    What nodes do never raises; what the database does, does, and then nothing of the round
    is stored.
    """
    with engine.turn(kind) as free:
        if not free:
            rounds = PollRound.objects.filter(member__holder=engine.crew.holder, kind=kind)
            rounds.update(skipped_total=F("skipped_total") + 1)
            return None
        began = time.monotonic()
        try:
            result = None if engine.closed else _round_run(engine, kind=kind, at=at)
        except DatabaseError:
            if not engine.closed:
                raise
            return None  # this process has left meanwhile, and its row with it
        if result is not None:
            _took(result, time.monotonic() - began)
        return result


def _took(result: RoundResult, took_s: float) -> None:
    """Storing included. A system round that is longer than its interval costs the next one."""
    late = result.kind == FigureKind.SYSTEM and took_s > interval_s(result.kind)
    logger.log(
        logging.WARNING if late else logging.DEBUG,
        "Round of %s: %.3f s, %d of %d answered.",
        result.kind,
        took_s,
        result.counts.answered,
        result.counts.asked,
    )


def _round_run(engine: Engine, *, kind: str, at: datetime) -> RoundResult | None:
    cluster = cluster_ensure(at=at)
    crew = engine.crew
    leads = kind == FigureKind.SYSTEM
    if leads:
        engine.clock_follow(at=at)
    with crew.lock:
        if leads or not crew.has_joined:
            crew_join(crew, cluster, at=at, mono=time.monotonic())
    member_pk = crew.member_pk
    if member_pk is None:
        return None  # it has just left, or others took it for dead
    nodes = {node.pk: node for node in crew_nodes(crew, cluster).iterator()}
    if leads:
        memory_keep(engine.memory, nodes)
    budget_s = min(DEFAULT_BUDGET_S, interval_s(kind) * BUDGET_SHARE)
    result = _round(
        engine, cluster, nodes, kind=kind, budget_s=budget_s, member_pk=member_pk, at=at
    )
    if leads:
        crew_hand_over(crew, cluster)
    return result


def _round(
    engine: Engine,
    cluster: Cluster,
    nodes: Mapping[int, Node],
    *,
    kind: str,
    budget_s: float,
    member_pk: int,
    at: datetime,
) -> RoundResult | None:
    targets = {
        pk: Target(node.node_id, node.host, node.port)
        for pk, node in nodes.items()
        if node.node_id is not None
    }
    if kind == FigureKind.SYSTEM:
        engine.targets_set(targets.values(), at=at)
    memory_load(engine.memory, kind=kind, nodes=nodes)
    part = _Part(
        engine, cluster, nodes, targets, kind=kind, budget_s=budget_s, member_pk=member_pk, at=at
    )
    began = time.monotonic()
    result: RoundResult | None = None
    slices = _slices(targets, kind=kind)
    for index, asked in enumerate(slices):
        part_began = time.monotonic()
        part_at = at + timedelta(seconds=part_began - began)
        is_last = index == len(slices) - 1
        result = part.run(asked, is_last=is_last, at=part_at)
        if part.is_over:
            return None
        if not is_last:
            # Half of the time is for the others.
            time.sleep(time.monotonic() - part_began)
    return result


def _slices(targets: Mapping[int, Target], *, kind: str) -> list[dict[int, Target]]:
    """Which nodes to ask at once: all of them, but for containers. At least one slice."""
    if kind != FigureKind.CONTAINERS:
        return [dict(targets)]
    pks = list(targets)
    starts = range(0, max(len(pks), 1), SLICE_NODES)
    return [{pk: targets[pk] for pk in pks[start : start + SLICE_NODES]} for start in starts]


class _Part:
    """A round, or one slice of it: asked, decoded and stored before the next is asked."""

    def __init__(
        self,
        engine: Engine,
        cluster: Cluster,
        nodes: Mapping[int, Node],
        targets: Mapping[int, Target],
        *,
        kind: str,
        budget_s: float,
        member_pk: int,
        at: datetime,
    ) -> None:
        self.engine = engine
        self.cluster = cluster
        self.nodes = nodes
        self.targets = targets
        self.by_target = {target: pk for pk, target in targets.items()}
        self.kind = kind
        self.budget_s = budget_s
        self.member_pk = member_pk
        self.began_at = at
        self.number = engine.memory.rounds.get(kind, 0) + 1
        self.is_over = False
        """Others took this process for dead: the round does not count."""
        self.counts = RoundCounts(asked=0, answered=0, failed=0, pending=0)
        self.waited_s = 0.0
        self.identities: dict[int, Identity] = {}
        self.answered: set[int] = set()
        self.failed: set[int] = set()

    def run(
        self, asked: Mapping[int, Target], *, is_last: bool, at: datetime
    ) -> RoundResult | None:
        """Ask, decode and store. ``None``: it is not the last part, or the round `is_over`."""
        engine, kind = self.engine, self.kind
        asks = asks_make(engine, asked, kind=kind, at=at)
        done = engine.scatter.round(
            kind, asks, at=at, budget_s=self.budget_s, deadline_s=settings.PORTAL_DEADLINE_S
        )
        engine.watch.observe(done)
        self.waited_s += (done.ended_at - at).total_seconds()
        if kind != FigureKind.SYSTEM:
            return self._take(done, engine.other_work, asked=len(asks), is_last=is_last)
        with engine.live_work():
            return self._take(done, nullcontext, asked=len(asks), is_last=is_last)

    def _take(
        self,
        done: Round,
        turn: Callable[[], AbstractContextManager[None]],
        *,
        asked: int,
        is_last: bool,
    ) -> RoundResult | None:
        """Decode and store, piece by piece, each in its `turn`."""
        engine, kind = self.engine, self.kind
        long_answers: list[int] = []
        pieces = _pieces(done.outcomes)
        changed = 0
        for index, outcomes in enumerate(pieces):
            ends = is_last and index == len(pieces) - 1
            with turn():
                harvest = harvest_make(kind, outcomes, nodes=self.by_target, memory=engine.memory)
                self._take_note(harvest)
                if ends:
                    self.counts = self._counts(done, asked=asked)
                stored = self._store(harvest, ends=ends, at=done.ended_at)
            if stored is None:
                return None
            changed = stored
            # Only now: what could not be stored must be asked for again.
            engine.memory.cursors.update(harvest.cursors)
            engine.memory.readings.update(harvest.readings)
            engine.memory.clocks.update(harvest.clocks)
            long_answers += harvest.long_answers
        if long_answers:
            engine.memory.long_answer = sum(long_answers) / len(long_answers)
        if not is_last:
            self.counts = self._counts(done, asked=asked)
            return None
        engine.memory.rounds[kind] = self.number
        return RoundResult(
            cluster_pk=self.cluster.pk,
            kind=kind,
            number=self.number,
            counts=self.counts,
            states_changed=changed,
            duration_s=self.waited_s,
        )

    def _take_note(self, harvest: Harvest) -> None:
        """What the end of the round needs to know of all its pieces."""
        self.identities.update(harvest.identities)
        self.answered |= harvest.answered
        self.failed |= {pk for pk, _ in harvest.failed}

    def _counts(self, done: Round, *, asked: int) -> RoundCounts:
        return RoundCounts(
            asked=self.counts.asked + asked - len(done.refused),
            answered=len(self.answered),
            failed=len(self.failed - self.answered),
            pending=len(done.pending),
        )

    def _store(self, harvest: Harvest, *, ends: bool, at: datetime) -> int | None:
        """In one transaction: the figures, and at the round's end what it says of the nodes.

        The number of states that changed; ``None``: others poll these nodes now.
        """
        judges = ends and self.kind == FigureKind.SYSTEM
        # Outside the transaction: it can take half a second to connect to silent nodes.
        verdicts = self.engine.watch.verdicts(self.targets.values(), at=at) if judges else {}
        changed = 0
        with transaction.atomic():
            if not crew_holds(self.member_pk, is_pulse=self.kind == FigureKind.SYSTEM):
                logger.warning(
                    "This process was silent for long, and others poll its nodes; "
                    "its round of %s is dropped.",
                    self.kind,
                )
                self.engine.crew.lost()
                self.is_over = True
                return None
            if ends:
                self._count(at=at)
            harvest_store(harvest)
            if self.kind in KEPT_KINDS:
                pending_store(
                    self.cluster, self.kind, harvest.good.values(), nodes=self.nodes, at=at
                )
            if judges:
                changed = self._judge(verdicts, at=at)
            elif ends:
                cluster_touch(self.cluster)
        return changed

    def _count(self, *, at: datetime) -> None:
        told = {
            "number": self.number,
            "started_at": self.began_at,
            "finished_at": at,
            "nodes_asked": self.counts.asked,
            "nodes_answered": self.counts.answered,
            "nodes_failed": self.counts.failed,
            "nodes_pending": self.counts.pending,
        }
        of, asked = {"member_id": self.member_pk, "kind": self.kind}, self.counts.asked
        rows = PollRound.objects.filter(**of)
        if not rows.update(**told, calls_total=F("calls_total") + asked):
            PollRound.objects.create(**of, calls_total=asked, **told)

    def _judge(self, verdicts: Mapping[Target, Verdict], *, at: datetime) -> int:
        says = identities_changed(
            self.nodes, self.identities, client=self.engine.client, targets=self.targets
        )
        found = list(
            state_verdicts(
                self.engine, self.nodes, verdicts, self.by_target, self.identities, at=at
            )
        )
        moved = {verdict.node_pk for verdict in found if verdict.state != verdict.from_state}
        if says or moved:
            nodes_lock(says.keys() | moved)
        identities_store(says)
        changed = node_states_store(found, at=at)
        others = crew_others(self.engine.crew, self.cluster)
        heartbeat_store(self.cluster, self.nodes, verdicts, self.identities, at=at, others=others)
        return changed


def _pieces(outcomes: Sequence[Outcome]) -> list[Sequence[Outcome]]:
    """The outcomes in pieces that are decoded and stored one by one. At least one piece.

    A sample takes ten times its bytes while it is on its way to the database: decoded all
    at once, the long answers of a round would be most of the process's memory.
    """
    pieces: list[Sequence[Outcome]] = []
    start, size = 0, 0
    for index, outcome in enumerate(outcomes):
        if outcome.answer is not None:
            size += sum(len(part) for part in outcome.answer.parts.values())
        if size > PIECE_BYTES:
            pieces.append(outcomes[start : index + 1])
            start, size = index + 1, 0
    if start < len(outcomes) or not pieces:
        pieces.append(outcomes[start:])
    return pieces
