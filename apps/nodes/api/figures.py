"""The figures of one node, or why there are none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.cluster.api.live import LiveBody, iso, live_body
from apps.cluster.selectors import cluster_current
from apps.nodes.api.errors import BadParameter, figures_error, node_error
from apps.nodes.cache import topology_cached
from apps.nodes.errors import NodeUnknown
from apps.nodes.models import FigureKind, Node
from apps.nodes.rows import NodeRow
from apps.nodes.selectors import Latest, latest, node_get

NODE_ID = re.compile(r"\d{1,9}", re.ASCII)
EVENT_ID = re.compile(r"\d{1,19}", re.ASCII)
MAX_EVENT_ID = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFigures:
    """A node that answers, and its newest figures of one kind; ``latest.figures`` is not None."""

    node: Node
    row: NodeRow
    latest: Latest


def node_row_find(text: str, *, at: datetime) -> NodeRow:
    """The node that a path names. Raises NodeUnknown (404): what is no id names no node."""
    if not NODE_ID.fullmatch(text):
        raise NodeUnknown(repr(text[:40]))
    return node_row_get(int(text), at=at)


def min_event_id_parse(text: str | None) -> int:
    """`min_event_id` of a query; 0 when it is left out. Raises BadParameter (400)."""
    if text is None:
        return 0
    if not EVENT_ID.fullmatch(text) or int(text) > MAX_EVENT_ID:
        raise BadParameter("min_event_id", text, wanted="a whole number from 0")
    return int(text)


def node_row_get(node_id: int, *, at: datetime) -> NodeRow:
    """The node as the topology shows it. No query of its own. Raises NodeUnknown (404)."""
    for row in topology_cached(at=at).nodes:
        if row.node_id == node_id:
            return row
    raise NodeUnknown(node_id)


def node_figures(row: NodeRow, kind: FigureKind, *, at: datetime) -> NodeFigures:
    """The node's newest figures of `kind`.

    Raises NodeUnknown (404) when it has just left the host list; NodeUnreachable (503) when
    its runtime can't be reached or never told these figures, with the last ones' time.
    """
    node = node_get(cluster_current(), node_id=row.node_id)
    newest = latest(node, kind, at=at)
    if not row.alive:
        raise node_error(row, newest)
    if newest.figures is None:
        raise figures_error(row, newest, kind.label)
    return NodeFigures(node=node, row=row, latest=newest)


def node_figures_body(found: NodeFigures, fields: dict[str, Any]) -> LiveBody:
    """`fields` with whose they are, how old, and why there is none newer."""
    newest = found.latest
    whole: dict[str, Any] = {**fields, "node_id": found.row.node_id, "stale": newest.stale}
    if newest.error_code:
        whole["last_error"] = {
            "message": newest.error_message,
            "code": newest.error_code,
            "at": iso(newest.error_at),
        }
    return live_body(whole, sampled_at=newest.sampled_at, age_s=newest.age_s)
