"""One round of polling: ask every node at once, store what came, judge who is alive."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

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

CATCH_UP_NODES = 64
"""Long answers (some 300 kB each) taken per round, so that a thousand nodes that are all
new do not fill the memory at once; the others are asked for a sign of life meanwhile."""

ANSWERS = "It answers."


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
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
    asks = _asks(engine, targets, kind=kind, at=at)
    done = engine.scatter.round(
        kind, asks, at=at, budget_s=budget_s, deadline_s=settings.PORTAL_DEADLINE_S
    )
    engine.watch.observe(done)
    by_target = {target: pk for pk, target in targets.items()}
    harvest = harvest_make(kind, done.outcomes, nodes=by_target, memory=engine.memory)
    verdicts = (
        engine.watch.verdicts(targets.values(), at=done.ended_at)
        if kind == FigureKind.SYSTEM
        else {}
    )
    counts = _counts(done, harvest, asked=len(asks))
    changed = 0
    with transaction.atomic():
        if not lease_end(lease, counts=counts, at=done.ended_at):
            logger.warning("%s round %d outlived its lease; dropped", kind, lease.number)
            return None
        harvest_store(harvest)
        if kind in KEPT_KINDS:
            pending_store(cluster, kind, harvest.good.values(), nodes=nodes, at=done.ended_at)
        if kind == FigureKind.SYSTEM:
            identities_store(nodes, harvest.identities, client=engine.client, targets=targets)
            changed = node_states_store(
                list(
                    _state_verdicts(engine, nodes, verdicts, by_target, harvest, at=done.ended_at)
                ),
                at=done.ended_at,
            )
            _heartbeat(cluster, nodes, verdicts, harvest, at=done.ended_at)
        else:
            cluster_touch(cluster)
    # Only now: a round that could not be stored must ask for the same again.
    engine.memory.cursors.update(harvest.cursors)
    engine.memory.readings.update(harvest.readings)
    engine.memory.clocks.update(harvest.clocks)
    engine.memory.rounds[kind] = lease.number
    return RoundResult(
        kind=kind,
        number=lease.number,
        counts=counts,
        states_changed=changed,
        duration_s=(done.ended_at - at).total_seconds(),
    )


def _asks(engine: Engine, targets: Mapping[int, Target], *, kind: str, at: datetime) -> list[Ask]:
    if kind != FigureKind.SYSTEM:
        return [Ask(target, QUERIES[kind]) for target in targets.values()]
    asks: list[Ask] = []
    room = CATCH_UP_NODES
    for pk, target in targets.items():
        cursor = engine.memory.cursors.get(pk, SampleCursor())
        first = cursor.next_event_id(at=at)
        if cursor.catches_up(at=at):
            if room <= 0:
                first = BEYOND_ANY_EVENT
            elif not engine.scatter.breaker.is_failing(target):
                # A node that does not answer brings nothing, so it takes no room either.
                room -= 1
        asks.append(Ask(target, system_stats_query(first)))
    return asks


def _counts(done: Round, harvest: Harvest, *, asked: int) -> RoundCounts:
    return RoundCounts(
        asked=asked - len(done.refused),
        answered=len(harvest.answered),
        failed=len({pk for pk, _ in harvest.failed} - harvest.answered),
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
