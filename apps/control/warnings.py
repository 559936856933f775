"""Where an action hurts more than elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import sha256

from apps.cluster.models import Cluster
from apps.control.actions import Action
from apps.nodes.api.local_node import host_is_local
from apps.nodes.freshness import collector_silence
from apps.nodes.models import Node
from apps.nodes.rows import UP_STATES


def warnings_mark(warnings: Sequence[str]) -> str:
    """What a form sends along of the warnings that it showed; empty: it showed none."""
    return sha256("\n".join(warnings).encode()).hexdigest()[:16] if warnings else ""


def warnings_of(
    cluster: Cluster, action: Action, *, node_ids: Collection[int], at: datetime, together: int = 1
) -> list[str]:
    """Sentences to confirm before `action` on these nodes; empty: none. Two or three queries,
    which cost the same for one node of four as for one of a thousand.

    `together`: how many of them are down at the same time.
    """
    if not action.takes_down:
        return []
    silence = collector_silence(cluster, at=at)
    present = Node.objects.present().filter(cluster=cluster)
    chosen = list(present.filter(node_id__in=node_ids).order_by("node_id"))
    if silence:
        return [f"The nodes' states are not known now. {silence}", *_own_machine(chosen)]
    going = [node for node in chosen if node.state in UP_STATES]
    return [
        *(f"{_named(node)} leads the cluster." for node in going if node.is_leader),
        *_all_living(going, present.filter(state__in=UP_STATES).count(), together=together),
        *_own_machine(chosen),
    ]


def _named(node: Node) -> str:
    """As the topology names it: the address only where the host alone would be ambiguous."""
    same_host = Node.objects.present().filter(cluster_id=node.cluster_id, host=node.host)
    is_alone = not same_host.exclude(pk=node.pk).exists()
    return f"Node {node.node_id} ({node.host if is_alone else node.address})"


def _all_living(going: Sequence[Node], living: int, *, together: int) -> list[str]:
    if not going or len(going) < living:
        return []
    if living == 1:
        return [f"{_named(going[0])} is the last one that is alive."]
    if together < living:
        return [f"All {living} nodes that are alive go down, {together} at a time."]
    return [f"All {living} nodes that are alive go down at the same time."]


def _own_machine(chosen: Sequence[Node]) -> list[str]:
    here = [node for node in chosen if host_is_local(node.host)]
    if not here:
        return []
    names = ", ".join(f"{node.node_id}" for node in here)
    which = f"Node {names} runs" if len(here) == 1 else f"Nodes {names} run"
    return [f"{which} on the machine of the portal itself."]
