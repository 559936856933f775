"""Writes on nodes: the host list's changes and the changes of state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from apps.cluster.models import Cluster, ConfigStatus
from apps.nodes.models import Node, StateChange
from apps.runtime.types import NodeState, Target

LEFT = "It left the host list."
RETURNED = "It is in the host list again, and was not asked yet."


@dataclass(frozen=True, slots=True)
class NodesSynced:
    created: int
    moved: int
    """Same address, another line."""
    retired: int
    returned: int

    @property
    def changed(self) -> bool:
        return bool(self.created or self.moved or self.retired or self.returned)


def nodes_sync(cluster: Cluster, *, targets: Sequence[Target], at: datetime) -> NodesSynced:
    """Make the present nodes those of the host list. A node is its address; its id can change.

    Nodes that left the list are retired with their history and come back as themselves.
    `targets` has neither an id nor an address twice.
    """
    with transaction.atomic():
        # One sync at a time: two would both see a node missing and both create it. Each follows
        # a look at the configuration, which left this row; the cluster's own is locked last.
        list(ConfigStatus.objects.select_for_update().filter(cluster=cluster))
        known = {(node.host, node.port): node for node in Node.objects.filter(cluster=cluster)}
        wanted = {(target.host, target.port): target.node_id for target in targets}
        leaving = [
            node for key, node in known.items() if node.retired_at is None and key not in wanted
        ]
        kept = [(node, wanted[key]) for key, node in known.items() if key in wanted]
        moving = [pair for pair in kept if pair[0].node_id != pair[1] and not pair[0].retired_at]
        returning = [pair for pair in kept if pair[0].retired_at]
        nodes_lock([node.pk for node in (*leaving, *(pair[0] for pair in (*moving, *returning)))])
        _retire(leaving, at=at)
        _place(moving, returning, at=at)
        created = Node.objects.bulk_create(
            Node(cluster=cluster, node_id=node_id, host=host, port=port, created_at=at)
            for (host, port), node_id in wanted.items()
            if (host, port) not in known
        )
    return NodesSynced(len(created), len(moving), len(leaving), len(returning))


def nodes_lock(pks: Iterable[int]) -> None:
    """Lock the rows of several nodes that the caller's transaction is about to change.

    By key, because two that lock the same nodes in different orders wait for each other.
    """
    rows = Node.objects.select_for_update(no_key=True).filter(pk__in=list(pks)).order_by("pk")
    list(rows.values_list("pk", flat=True))


def _retire(nodes: Sequence[Node], *, at: datetime) -> None:
    _state_changes_add(nodes, NodeState.UNKNOWN, reason=LEFT, at=at)
    for node in nodes:
        node.node_id = None
        node.retired_at = at
        _become_unknown(node, reason=LEFT, at=at)
    Node.objects.bulk_update(nodes, ["node_id", "retired_at", *_STATE_FIELDS], batch_size=500)


def _place(
    moving: Sequence[tuple[Node, int]], returning: Sequence[tuple[Node, int]], *, at: datetime
) -> None:
    # Lines can be swapped: free all of them first, or an id would be there twice for a moment.
    Node.objects.filter(pk__in=[node.pk for node, _ in moving]).update(node_id=None)
    for node, node_id in moving:
        node.node_id = node_id
    Node.objects.bulk_update([node for node, _ in moving], ["node_id"], batch_size=500)
    for node, node_id in returning:
        node.node_id = node_id
        node.retired_at = None
        _become_unknown(node, reason=RETURNED, at=at)
    Node.objects.bulk_update(
        [node for node, _ in returning],
        ["node_id", "retired_at", *_STATE_FIELDS],
        batch_size=500,
    )


_STATE_FIELDS = ("state", "state_since", "state_reason")


def _become_unknown(node: Node, *, reason: str, at: datetime) -> None:
    node.state = NodeState.UNKNOWN
    node.state_since = at
    node.state_reason = reason


def _state_changes_add(
    nodes: Sequence[Node], to_state: NodeState, *, reason: str, at: datetime
) -> None:
    StateChange.objects.bulk_create(
        StateChange(
            node=node,
            at=at,
            from_state=node.state,
            to_state=to_state,
            reason=reason,
            boot=node.boot,
        )
        for node in nodes
        if node.state != to_state
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StateVerdict:
    """A node's state by the evidence of a round; `from_state` is what the round started with."""

    node_pk: int
    from_state: str
    state: NodeState
    reason: str
    boot: int | None


def node_states_store(verdicts: Sequence[StateVerdict], *, at: datetime) -> int:
    """Store the states that differ from `from_state`, each with its StateChange row.

    A conditional update: a node whose stored state is no longer `from_state` (retired
    meanwhile, say) keeps it. Returns how many changed. A changed reason alone is no change.
    """
    changed: list[StateChange] = []
    for verdict in verdicts:
        if verdict.state == verdict.from_state:
            continue
        hit = Node.objects.filter(
            pk=verdict.node_pk, state=verdict.from_state, retired_at=None
        ).update(state=verdict.state, state_since=at, state_reason=verdict.reason)
        if hit:
            changed.append(
                StateChange(
                    node_id=verdict.node_pk,
                    at=at,
                    from_state=verdict.from_state,
                    to_state=verdict.state,
                    reason=verdict.reason,
                    boot=verdict.boot,
                )
            )
    StateChange.objects.bulk_create(changed, batch_size=500)
    return len(changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionNote:
    """What is being done, or was last done, to a node: a control job in short."""

    job: int
    action: str
    status: str
    by: str
    reason: str
    at: datetime
    """Of this status."""


REASON_SHOWN = 300


def node_actions_note(notes: Mapping[int, ActionNote]) -> None:
    """Keep each with its node (by primary key), for its card and its entry in the topology."""
    stored = {
        pk: {**asdict(note), "reason": note.reason[:REASON_SHOWN], "at": note.at.isoformat()}
        for pk, note in notes.items()
    }
    if len(stored) > 1:
        nodes_lock(stored)
        nodes = [Node(pk=pk, last_action=value) for pk, value in stored.items()]
        Node.objects.bulk_update(nodes, ["last_action"], batch_size=500)
        return
    for pk, value in stored.items():
        Node.objects.filter(pk=pk).update(last_action=value)
