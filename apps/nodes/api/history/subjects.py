"""Which nodes a question names, and which series of the history those have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.cluster.selectors import cluster_current
from apps.history.metrics import SUBJECT_KIND_OF, Metric
from apps.history.selectors import series_list
from apps.history.types import SubjectRef
from apps.nodes.api.history.errors import NodesUnknown
from apps.nodes.cache import topology_cached
from apps.nodes.errors import NodeUnknown
from apps.nodes.models import Node
from apps.nodes.rows import address_text
from apps.nodes.selectors import topology_filter
from apps.nodes.subjects import NODE, node_subject, subject_node_pk, subject_part

EVERY = "all"
FEW_NODES = 20
"""Up to so many nodes, their series are looked up one by one; else all at once."""

_ID = re.compile(r"\d{1,9}", re.ASCII)
_SEPARATORS = re.compile(r"[,;\s]+")


@dataclass(frozen=True, slots=True)
class NodeName:
    """A node of the cluster, or one that left it (`node_id` is ``None`` then)."""

    pk: int
    node_id: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes that a question is about, in the order of their ids."""

    cluster_key: int
    listed: tuple[NodeName, ...]

    @property
    def by_pk(self) -> dict[int, NodeName]:
        return {node.pk: node for node in self.listed}


def nodes_named(text: str, *, at: datetime) -> Nodes:
    """Ids, ranges and parts of names, as the topology's filter takes them.

    Raises FilterError (400), NodeUnknown and NodesUnknown (404).
    """
    cluster = cluster_current()
    rows = topology_cached(at=at).nodes
    if text.strip() == EVERY:
        found = rows
    else:
        found = topology_filter(rows, text=text)
        present = {row.node_id for row in rows}
        for term in _SEPARATORS.split(text):
            if _ID.fullmatch(term) and int(term) not in present:
                raise NodeUnknown(int(term))
    if not found:
        raise NodesUnknown(text)
    return Nodes(cluster.pk, tuple(NodeName(row.pk, row.node_id, row.name) for row in found))


def nodes_all(*, at: datetime) -> Nodes:
    """Every node the portal knows: those of the host list, then those that left it."""
    cluster = cluster_current()
    present = [NodeName(row.pk, row.node_id, row.name) for row in topology_cached(at=at).nodes]
    left: Any = (
        Node.objects.retired().filter(cluster=cluster).order_by("pk").values("pk", "host", "port")
    )
    gone = [NodeName(row["pk"], None, address_text(row["host"], row["port"])) for row in left]
    return Nodes(cluster.pk, (*present, *gone))


def subjects_of(
    nodes: Nodes, metrics: Iterable[Metric], *, parts: Sequence[str] = ()
) -> list[SubjectRef]:
    """The subjects of `nodes` that can have `metrics`, by node, then by part.

    `parts` leaves only those workers and block devices; whole nodes always stay.
    """
    kinds = list(dict.fromkeys(metric.kind for metric in metrics))
    by_node: dict[int, list[SubjectRef]] = {node.pk: [] for node in nodes.listed}
    for kind in kinds:
        if SUBJECT_KIND_OF[kind] == NODE:
            for pk, listed in by_node.items():
                subject = node_subject(pk)
                if subject not in listed:
                    listed.append(subject)
            continue
        for subject in _parts(nodes, kind):
            of_node = by_node.get(subject_node_pk(subject) or 0)
            if of_node is not None and (not parts or subject_part(subject) in parts):
                of_node.append(subject)
    return [subject for listed in by_node.values() for subject in listed]


def _parts(nodes: Nodes, kind: str) -> list[SubjectRef]:
    if len(nodes.listed) > FEW_NODES:
        rows = series_list(cluster_key=nodes.cluster_key, kind=kind)
    else:
        rows = [
            row
            for node in nodes.listed
            for row in series_list(
                cluster_key=nodes.cluster_key, kind=kind, key_prefix=f"{node.pk}/"
            )
        ]
    found = [SubjectRef(row.subject_kind, row.subject_key) for row in rows]
    return sorted(found, key=lambda subject: _natural(subject_part(subject)))


def _natural(part: str) -> list[tuple[bool, int, str]]:
    """So that worker 10 comes after worker 9."""
    return [
        (not piece.isdigit(), int(piece) if piece.isdigit() else 0, piece)
        for piece in re.split(r"\D+", part)
    ]
