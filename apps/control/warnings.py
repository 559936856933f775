"""Where an action hurts more than elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from apps.cluster.models import Cluster
from apps.control.actions import Action
from apps.nodes.api.local_node import host_is_local
from apps.nodes.rows import NodeRow
from apps.nodes.selectors import topology


def warnings_of(
    cluster: Cluster, action: Action, *, node_ids: Collection[int], at: datetime, together: int = 1
) -> list[str]:
    """Sentences to confirm before `action` on these nodes; empty: none. Two queries.

    `together`: how many of them are down at the same time.
    """
    if not action.takes_down:
        return []
    seen = topology(cluster, at=at)
    rows = seen.nodes
    chosen = [row for row in rows if row.node_id in node_ids]
    return [
        *(_leader(row) for row in chosen if row.is_leader),
        *_all_living(rows, chosen, together=together),
        *([f"The nodes' states are not known now. {seen.reason}"] if seen.stale else []),
        *_own_machine(chosen),
    ]


def _leader(row: NodeRow) -> str:
    return f"Node {row.node_id} ({row.name}) leads the cluster."


def _all_living(rows: Sequence[NodeRow], chosen: Sequence[NodeRow], *, together: int) -> list[str]:
    living = [row for row in rows if row.alive]
    going = [row for row in chosen if row.alive]
    if not going or len(going) < len(living):
        return []
    if len(living) == 1:
        return [f"Node {going[0].node_id} ({going[0].name}) is the last one that is alive."]
    if together < len(living):
        return [f"All {len(living)} nodes that are alive go down, {together} at a time."]
    return [f"All {len(living)} nodes that are alive go down at the same time."]


def _own_machine(chosen: Sequence[NodeRow]) -> list[str]:
    here = [row for row in chosen if host_is_local(row.address.rpartition(":")[0].strip("[]"))]
    if not here:
        return []
    names = ", ".join(f"{row.node_id}" for row in here)
    which = f"Node {names} runs" if len(here) == 1 else f"Nodes {names} run"
    return [f"{which} on the machine of the portal itself."]
