"""One round of polling: ask every node at once, store what came, judge who is alive."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from apps.cluster.models import Cluster
from apps.cluster.services import cluster_ensure, cluster_polled, cluster_touch
from apps.collector.answers import QUERIES, Harvest, harvest_make
from apps.collector.engine import UNDECIDED, Engine
from apps.collector.history.pending import KEPT_KINDS, pending_store
from apps.collector.leases import Lease, RoundCounts, lease_drop, lease_end, lease_take
from apps.collector.memory import memory_load
from apps.collector.samples import BEYOND_ANY_EVENT, SampleCursor
from apps.collector.store import SIMULATED_KEY, harvest_store, identities_store
from apps.nodes.freshness import interval_s
from apps.nodes.models import FigureKind, Node
from apps.nodes.services import StateVerdict, node_states_store
from apps.runtime.liveness import Verdict
from apps.runtime.queries import system_stats_query
from apps.runtime.scatter import DEFAULT_BUDGET_S, Ask, Round
from apps.runtime.types import NodeState, Target

logger = logging.getLogger(__name__)

BUDGET_SHARE = 0.7
"""How much of its interval a round may spend waiting for answers."""

CATCH_UP_SAMPLES = 20_000
"""Samples of long answers taken per round, so that a thousand nodes that are all new do not
fill the memory at once; the other nodes are asked for a sign of life meanwhile."""

CATCH_UP_NODES = (8, 512)
"""At least and at most so many nodes' long answers in a round."""

SLICE_NODES = 50
"""Containers of so many nodes are asked for at a time: an answer has up to 44 kB, and takes
milliseconds to decode, in which no other round of this process gets on."""

ANSWERS = "It answers."


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

    ``None``: skipped, because the one before is still running (it is counted), or because
    its lease ran out meanwhile. What nodes do never raises; what the database does, does,
    and then nothing of the round is stored.
    """
    cluster = cluster_ensure(at=at)
    budget_s = min(DEFAULT_BUDGET_S, interval_s(kind) * BUDGET_SHARE)
    lease = lease_take(
        cluster,
        kind=kind,
        holder=engine.holder,
        length_s=budget_s + max(2 * interval_s(kind), 10.0),
        at=at,
    )
    if lease is None:
        return None
    stored = False
    try:
        nodes = {
            node.pk: node for node in Node.objects.present().filter(cluster=cluster).iterator()
        }
        result = _round(engine, cluster, nodes, kind=kind, budget_s=budget_s, lease=lease, at=at)
        stored = result is not None
    finally:
        if not stored:
            lease_drop(lease)
    return result


def _round(
    engine: Engine,
    cluster: Cluster,
    nodes: Mapping[int, Node],
    *,
    kind: str,
    budget_s: float,
    lease: Lease,
    at: datetime,
) -> RoundResult | None:
    targets = {
        pk: Target(node.node_id, node.host, node.port)
        for pk, node in nodes.items()
        if node.node_id is not None
    }
    engine.targets_set(targets.values(), at=at)
    memory_load(engine.memory, kind=kind, number=lease.number, nodes=nodes)
    part = _Part(engine, cluster, nodes, targets, kind=kind, budget_s=budget_s, lease=lease)
    began = time.monotonic()
    slices = _slices(targets, kind=kind)
    for index, asked in enumerate(slices):
        part_began = time.monotonic()
        part_at = at + timedelta(seconds=part_began - began)
        result = part.run(asked, is_last=index == len(slices) - 1, at=part_at)
        if index < len(slices) - 1:
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
        lease: Lease,
    ) -> None:
        self.engine = engine
        self.cluster = cluster
        self.nodes = nodes
        self.targets = targets
        self.by_target = {target: pk for pk, target in targets.items()}
        self.kind = kind
        self.budget_s = budget_s
        self.lease = lease
        self.counts = RoundCounts(asked=0, answered=0, failed=0, pending=0)
        self.waited_s = 0.0

    def run(
        self, asked: Mapping[int, Target], *, is_last: bool, at: datetime
    ) -> RoundResult | None:
        """Ask, decode and store. ``None``: the lease ran out, and nothing was stored."""
        engine, kind = self.engine, self.kind
        asks = _asks(engine, asked, kind=kind, at=at)
        done = engine.scatter.round(
            kind, asks, at=at, budget_s=self.budget_s, deadline_s=settings.PORTAL_DEADLINE_S
        )
        engine.watch.observe(done)
        harvest = harvest_make(kind, done.outcomes, nodes=self.by_target, memory=engine.memory)
        self.counts = _counts_add(self.counts, done, harvest, asked=len(asks))
        self.waited_s += (done.ended_at - at).total_seconds()
        changed = self._store(harvest, is_last=is_last, at=done.ended_at)
        if changed is None:
            return None
        # Only now: a round that could not be stored must ask for the same again.
        engine.memory.cursors.update(harvest.cursors)
        engine.memory.readings.update(harvest.readings)
        engine.memory.clocks.update(harvest.clocks)
        if harvest.long_answers:
            engine.memory.long_answer = sum(harvest.long_answers) / len(harvest.long_answers)
        engine.memory.rounds[kind] = self.lease.number
        return RoundResult(
            cluster_pk=self.cluster.pk,
            kind=kind,
            number=self.lease.number,
            counts=self.counts,
            states_changed=changed,
            duration_s=self.waited_s,
        )

    def _store(self, harvest: Harvest, *, is_last: bool, at: datetime) -> int | None:
        """Everything in one transaction. The number of states that changed."""
        is_system = self.kind == FigureKind.SYSTEM
        # Outside the transaction: it can take half a second to connect to silent nodes.
        verdicts = self.engine.watch.verdicts(self.targets.values(), at=at) if is_system else {}
        changed = 0
        with transaction.atomic():
            if is_last and not lease_end(self.lease, counts=self.counts, at=at):
                logger.warning(
                    "%s round %d outlived its lease; dropped", self.kind, self.lease.number
                )
                return None
            harvest_store(harvest)
            if self.kind in KEPT_KINDS:
                pending_store(
                    self.cluster, self.kind, harvest.good.values(), nodes=self.nodes, at=at
                )
            if is_system:
                identities_store(
                    self.nodes,
                    harvest.identities,
                    client=self.engine.client,
                    targets=self.targets,
                )
                changed = node_states_store(
                    list(
                        _state_verdicts(
                            self.engine, self.nodes, verdicts, self.by_target, harvest, at=at
                        )
                    ),
                    at=at,
                )
                _heartbeat(self.cluster, self.nodes, verdicts, harvest, at=at)
            elif is_last:
                cluster_touch(self.cluster)
        return changed


def _asks(engine: Engine, targets: Mapping[int, Target], *, kind: str, at: datetime) -> list[Ask]:
    if kind != FigureKind.SYSTEM:
        return [Ask(target, QUERIES[kind]) for target in targets.values()]
    cursors = {pk: engine.memory.cursors.get(pk, SampleCursor()) for pk in targets}
    long = _long_answers(engine, targets, cursors, at=at)
    return [
        Ask(
            target,
            system_stats_query(
                BEYOND_ANY_EVENT
                if cursors[pk].catches_up(at=at) and pk not in long
                else cursors[pk].next_event_id(at=at)
            ),
        )
        for pk, target in targets.items()
    ]


def _long_answers(
    engine: Engine,
    targets: Mapping[int, Target],
    cursors: Mapping[int, SampleCursor],
    *,
    at: datetime,
) -> set[int]:
    """Of the nodes that have a long answer ready, those to take it from in this round.

    Nodes that answer come first. One that does not is asked for a sign of life: were it
    only overloaded, hundreds of samples would be what it can do least.
    """
    least, most = CATCH_UP_NODES
    room = min(max(int(CATCH_UP_SAMPLES / max(engine.memory.long_answer, 1)), least), most)
    waiting = [pk for pk in targets if cursors[pk].catches_up(at=at)]
    waiting.sort(key=lambda pk: engine.scatter.breaker.is_failing(targets[pk]))
    return set(waiting[:room])


def _counts_add(counts: RoundCounts, done: Round, harvest: Harvest, *, asked: int) -> RoundCounts:
    failed = {pk for pk, _ in harvest.failed} - harvest.answered
    return RoundCounts(
        asked=counts.asked + asked - len(done.refused),
        answered=counts.answered + len(harvest.answered),
        failed=counts.failed + len(failed),
        pending=len(done.pending),
    )


def _state_verdicts(
    engine: Engine,
    nodes: Mapping[int, Node],
    verdicts: Mapping[Target, Verdict],
    by_target: Mapping[Target, int],
    harvest: Harvest,
    *,
    at: datetime,
) -> Iterable[StateVerdict]:
    settling = engine.is_settling(at=at)
    for target, verdict in verdicts.items():
        pk = by_target[target]
        node = nodes[pk]
        unheard = engine.watch.evidence(target).last_answer_at is None
        if settling and unheard and verdict.state in UNDECIDED:
            # This process has just begun and knows less than what is stored.
            continue
        identity = harvest.identities.get(pk)
        yield StateVerdict(
            node_pk=pk,
            from_state=node.state,
            state=verdict.state,
            reason=ANSWERS if verdict.state is NodeState.ALIVE else verdict.reason,
            boot=identity.boot if identity else node.boot,
        )


def _heartbeat(
    cluster: Cluster,
    nodes: Mapping[int, Node],
    verdicts: Mapping[Target, Verdict],
    harvest: Harvest,
    *,
    at: datetime,
) -> None:
    connected = any(verdict.state is NodeState.ALIVE for verdict in verdicts.values())
    simulated = any(
        harvest.identities[pk].sample.extra.get(SIMULATED_KEY) is True  # type: ignore[union-attr]
        if pk in harvest.identities and harvest.identities[pk].sample is not None
        else node.is_simulated
        for pk, node in nodes.items()
    )
    cluster_polled(
        cluster,
        at=at,
        connected=connected,
        reason="" if connected else _disconnected(list(verdicts.items())),
        is_simulated=simulated,
    )


def _disconnected(verdicts: Sequence[tuple[Target, Verdict]]) -> str:
    """Why nothing answers, in one or two sentences; the first node stands for the others."""
    if not verdicts:
        return "The host list is not known: see the configuration."
    target, verdict = min(verdicts, key=lambda pair: pair[0].node_id)
    who = str(target)
    if len(verdicts) == 1:
        return f"{who[0].upper()}{who[1:]} does not answer. {verdict.reason}"
    return f"None of {len(verdicts)} nodes answers. {who[0].upper()}{who[1:]}: {verdict.reason}"
