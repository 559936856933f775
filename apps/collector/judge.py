"""What a round's evidence says of the nodes and of the cluster, and storing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import QuerySet

from apps.cluster.models import Cluster
from apps.cluster.services import cluster_polled
from apps.collector.answers import Identity
from apps.collector.engine import UNDECIDED, Engine
from apps.collector.store import SIMULATED_KEY
from apps.nodes.models import Node
from apps.nodes.services import StateVerdict
from apps.runtime.liveness import Verdict
from apps.runtime.types import NodeState, Target

ANSWERS = "It answers."


def state_verdicts(
    engine: Engine,
    nodes: Mapping[int, Node],
    verdicts: Mapping[Target, Verdict],
    by_target: Mapping[Target, int],
    identities: Mapping[int, Identity],
    *,
    at: datetime,
) -> Iterable[StateVerdict]:
    for target, verdict in verdicts.items():
        pk = by_target[target]
        node = nodes[pk]
        unheard = engine.watch.evidence(target).last_answer_at is None
        if verdict.state in UNDECIDED and unheard and engine.is_settling(target, at=at):
            # This process has just begun to look, and knows less than what is stored.
            continue
        identity = identities.get(pk)
        yield StateVerdict(
            node_pk=pk,
            from_state=node.state,
            state=verdict.state,
            reason=ANSWERS if verdict.state is NodeState.ALIVE else verdict.reason,
            boot=identity.boot if identity else node.boot,
        )


def heartbeat_store(
    cluster: Cluster,
    nodes: Mapping[int, Node],
    verdicts: Mapping[Target, Verdict],
    identities: Mapping[int, Identity],
    *,
    at: datetime,
    others: QuerySet[Node],
) -> None:
    """`nodes` are those of this process; `others`, polled by other processes, are as stored."""
    connected = any(verdict.state is NodeState.ALIVE for verdict in verdicts.values())
    connected = connected or others.filter(state=NodeState.ALIVE).exists()
    simulated = any(
        identities[pk].sample.extra.get(SIMULATED_KEY) is True  # type: ignore[union-attr]
        if pk in identities and identities[pk].sample is not None
        else node.is_simulated
        for pk, node in nodes.items()
    )
    simulated = simulated or others.filter(is_simulated=True).exists()
    reason = "" if connected else _disconnected(list(verdicts.items()), others=others.count())
    cluster_polled(cluster, at=at, connected=connected, reason=reason, is_simulated=simulated)


def _disconnected(verdicts: Sequence[tuple[Target, Verdict]], *, others: int) -> str:
    """Why nothing answers, in one or two sentences; the first node stands for the others."""
    count = len(verdicts) + others
    if not count:
        return "The host list is not known: see the configuration."
    if not verdicts:
        return f"None of {count} nodes answers."
    target, verdict = min(verdicts, key=lambda pair: pair[0].node_id)
    who = str(target)
    if count == 1:
        return f"{who[0].upper()}{who[1:]} does not answer. {verdict.reason}"
    return f"None of {count} nodes answers. {who[0].upper()}{who[1:]}: {verdict.reason}"
