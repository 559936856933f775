"""What a round's evidence says of the nodes and of the cluster, and storing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

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
    settling = engine.is_settling(at=at)
    for target, verdict in verdicts.items():
        pk = by_target[target]
        node = nodes[pk]
        unheard = engine.watch.evidence(target).last_answer_at is None
        if settling and unheard and verdict.state in UNDECIDED:
            # This process has just begun and knows less than what is stored.
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
) -> None:
    connected = any(verdict.state is NodeState.ALIVE for verdict in verdicts.values())
    simulated = any(
        identities[pk].sample.extra.get(SIMULATED_KEY) is True  # type: ignore[union-attr]
        if pk in identities and identities[pk].sample is not None
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
