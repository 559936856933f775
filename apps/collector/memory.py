"""Fill a process's memory from what is stored, when it begins to poll a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import Max

from apps.collector.engine import Memory
from apps.collector.rates import Reading
from apps.collector.samples import SampleCursor
from apps.nodes.models import FigureKind, LatestFigures, Node, SampleChunk


def memory_keep(memory: Memory, nodes: Iterable[int]) -> None:
    """Forget where all other nodes stand: another process may write of them from now on."""
    kept = set(nodes)
    for known in (memory.cursors, memory.readings, memory.clocks):
        for pk in set(known) - kept:
            known.pop(pk, None)


def memory_load(memory: Memory, *, kind: str, nodes: Mapping[int, Node]) -> None:
    """Make sure that `memory` knows where `nodes` stand for a round of `kind`."""
    if kind == FigureKind.SYSTEM:
        _cursors_load(memory, nodes)
    elif kind == FigureKind.BLOCK_DEVICES:
        _readings_load(memory, nodes)


def _cursors_load(memory: Memory, nodes: Mapping[int, Node]) -> None:
    missing = set(nodes) - set(memory.cursors)
    if not missing:
        return
    # Grouped by boot as well: a node's chunks of its earlier processes are still there.
    last_ids = {
        (node_pk, boot): last
        for node_pk, boot, last in SampleChunk.objects.filter(node__in=_scope(missing, nodes))
        .order_by()
        .values_list("node_id", "boot")
        .annotate(last=Max("last_event_id"))
    }
    for pk in missing:
        boot = nodes[pk].boot
        memory.cursors[pk] = SampleCursor(boot=boot, last_event_id=last_ids.get((pk, boot)))


def _readings_load(memory: Memory, nodes: Mapping[int, Node]) -> None:
    missing = set(nodes) - set(memory.readings)
    if not missing:
        return
    rows = LatestFigures.objects.filter(
        node__in=_scope(missing, nodes), kind=FigureKind.BLOCK_DEVICES
    ).exclude(received_at=None)
    for row in rows:
        if row.received_at is not None:
            memory.readings[row.node_id] = Reading(
                row.received_at, row.boot, tuple(row.figures or ())
            )


def _scope(pks: set[int], nodes: Mapping[int, Node]) -> Iterable[int]:
    """A list of keys for a query. All nodes of a large cluster go in as they are."""
    return sorted(pks & nodes.keys())
