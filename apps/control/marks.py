"""What was done to nodes and what happened to them, as marks on the charts of the history.

Three sources: control jobs, the audit trail's changes of maintenance, and changes of state
that matter. The number of queries does not depend on the number of nodes or marks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from django.db.models import Q
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from apps.audit.models import AuditEvent
from apps.control.actions import ACTIONS
from apps.control.models import BEGUN, ControlJob
from apps.nodes.models import Node, StateChange
from apps.runtime.types import NodeState

MOST_MARKS = 500
"""Of each kind, the newest; charts show no more apart from each other."""
MOST_EVENTS = 5_000
"""Changes of maintenance that are looked through, newest first."""
MAINTENANCE_ACTIONS = {
    "node.maintenance_begin": "begin",
    "node.maintenance_change": "change",
    "node.maintenance_end": "end",
}
STATE_WORDS = {
    NodeState.DOWN.value: "went down",
    NodeState.HUNG.value: "hangs",
    NodeState.ALIVE.value: "is back",
}
LOST = (NodeState.DOWN.value, NodeState.HUNG.value)


class MarkKind(StrEnum):
    JOB = "job"
    MAINTENANCE = "maintenance"
    STATE = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing on the axis of time. What does not apply is empty or ``None``."""

    kind: MarkKind
    node_pk: int
    at: datetime
    until: datetime | None
    """When it was over; ``None``: it is not, or took no time (see `status`)."""
    action: str
    """A job's action; begin, change, end of maintenance; the state that a node came into."""
    title: str
    """In words, without the node and the person: "Restart", "Maintenance begun", "went down"."""
    status: str
    """A job's status; ``active`` or ``over`` of maintenance; the state."""
    by: str
    reason: str
    outcome: str
    job: int | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """In the order of time."""

    listed: list[Mark]
    left_out: int
    """Older ones in the range that are not listed."""


def marks(
    *,
    cluster_key: int,
    node_pks: Collection[int] | None,
    kinds: Collection[MarkKind],
    start: datetime,
    end: datetime,
    at: datetime,
) -> Marks:
    """What touches [start, end) on these nodes; ``None``: on any node of the cluster.

    `at` is now: what has no end yet goes on until then.
    """
    wanted = _Wanted(cluster_key, node_pks, start, end, at)
    found: list[Mark] = []
    left_out = 0
    for kind, read in _READERS.items():
        if kind in kinds:
            of_kind, more = read(wanted)
            found += of_kind
            left_out += more
    found.sort(key=lambda mark: mark.at)
    return Marks(found, left_out)


@dataclass(frozen=True, slots=True)
class _Wanted:
    cluster_key: int
    node_pks: Collection[int] | None
    start: datetime
    end: datetime
    at: datetime

    def on(self, field: str) -> Q:
        return Q() if self.node_pks is None else Q(**{f"{field}__in": list(self.node_pks)})


# ---- control jobs ----------------------------------------------------------------------------


def _job_marks(wanted: _Wanted) -> tuple[list[Mark], int]:
    touching = (
        ControlJob.objects.filter(wanted.on("node"), cluster=wanted.cluster_key)
        .filter(queued_at__lt=wanted.end)
        .exclude(finished_at__lt=wanted.start)
        .order_by("-queued_at", "-pk")
    )
    newest = [_job_mark(job) for job in touching[:MOST_MARKS]]
    return newest, touching.count() - MOST_MARKS if len(newest) == MOST_MARKS else 0


def _job_mark(job: ControlJob) -> Mark:
    action = ACTIONS.get(job.action)
    return Mark(
        kind=MarkKind.JOB,
        node_pk=job.node_id,
        at=job.started_at or job.queued_at,
        until=job.finished_at,
        action=job.action,
        title=action.title if action else job.action,
        status="running" if job.status in BEGUN else job.status,
        by=job.requested_by_name,
        reason=job.reason,
        outcome=job.outcome,
        job=job.pk,
        url=reverse("job", args=[job.pk]),
    )


# ---- maintenance -----------------------------------------------------------------------------


def _maintenance_marks(wanted: _Wanted) -> tuple[list[Mark], int]:
    """From the audit trail: the table of maintenance knows only what holds now."""
    nodes = _nodes_by_address(wanted)
    named = Q() if wanted.node_pks is None else Q(target_name__in=list(nodes))
    events = (
        AuditEvent.objects.filter(named, target_kind="node", at__lt=wanted.end)
        .filter(action__in=list(MAINTENANCE_ACTIONS))
        .order_by("-number")[:MOST_EVENTS]
    )
    made: list[Mark] = []
    running: dict[int, int] = {}
    for event in reversed(events):
        node_pk = nodes.get(event.target_name)
        if node_pk is None:
            continue
        action = MAINTENANCE_ACTIONS[event.action]
        before = running.pop(node_pk, None)
        if before is not None:
            made[before] = _ended(made[before], at=event.at)
        if action != "end":
            running[node_pk] = len(made)
        made.append(_maintenance_mark(event, action, node_pk))
    for place in running.values():
        planned = made[place].until
        if planned is None or planned > wanted.at:
            made[place] = replace(made[place], status="active", until=None)
    touching = [mark for mark in made if (mark.until or wanted.at) >= wanted.start]
    return touching[-MOST_MARKS:], max(0, len(touching) - MOST_MARKS)


def _nodes_by_address(wanted: _Wanted) -> dict[str, int]:
    """The trail names a node by its address, which it keeps; ids move with the host list."""
    rows = Node.objects.filter(wanted.on("pk"), cluster=wanted.cluster_key)
    listed = rows.values_list("pk", "host", "port")
    return {f"{host}:{port}": pk for pk, host, port in listed}


def _maintenance_mark(event: AuditEvent, action: str, node_pk: int) -> Mark:
    title = {"begin": "Maintenance begun", "change": "Maintenance changed"}
    return Mark(
        kind=MarkKind.MAINTENANCE,
        node_pk=node_pk,
        at=event.at,
        until=event.at if action == "end" else _planned_end(event.after),
        action=action,
        title=title.get(action, "Maintenance ended"),
        status="over",
        by=event.actor_name,
        reason=event.reason,
        outcome="",
    )


def _planned_end(after: Mapping[str, object] | None) -> datetime | None:
    text = (after or {}).get("until")
    return parse_datetime(text) if isinstance(text, str) else None


def _ended(mark: Mark, *, at: datetime) -> Mark:
    """It was over when the next change came, or by itself before that."""
    return replace(mark, until=min(mark.until or at, at))


# ---- states ----------------------------------------------------------------------------------


def _state_marks(wanted: _Wanted) -> tuple[list[Mark], int]:
    """Down, hung, and back from that. A node that is late for a moment is no news."""
    rows = (
        StateChange.objects.filter(wanted.on("node"), to_state__in=list(STATE_WORDS))
        .filter(node__cluster=wanted.cluster_key, at__gte=wanted.start, at__lt=wanted.end)
        .order_by("at", "pk")
    )
    found: deque[Mark] = deque(maxlen=MOST_MARKS)
    total = 0
    states: dict[int, str] = {}
    for change in rows.iterator(chunk_size=1000):
        before = states.get(change.node_id, change.from_state)
        states[change.node_id] = change.to_state
        is_back = change.to_state == NodeState.ALIVE and before in LOST
        if change.to_state != before and (is_back or change.to_state in LOST):
            found.append(_state_mark(change))
            total += 1
    return list(found), total - len(found)


def _state_mark(change: StateChange) -> Mark:
    return Mark(
        kind=MarkKind.STATE,
        node_pk=change.node_id,
        at=change.at,
        until=change.at,
        action=change.to_state,
        title=STATE_WORDS[change.to_state],
        status=change.to_state,
        by="",
        reason=change.reason,
        outcome="",
    )


_READERS = {
    MarkKind.JOB: _job_marks,
    MarkKind.MAINTENANCE: _maintenance_marks,
    MarkKind.STATE: _state_marks,
}
