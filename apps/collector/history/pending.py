"""What a round brought, packed small until the feed takes it.

One row a round, whatever the number of nodes: zlib over a JSON list of
``[node key, Unix ms, boot, parts]``, where parts are ``[id, label, values…]`` of each worker
or block device, or the two counts of a node's containers.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from apps.cluster.models import Cluster
from apps.collector.history.columns import Gathered, row_of, workers_row
from apps.collector.models import PendingFigures
from apps.common.time import EPOCH
from apps.nodes.models import FigureKind, LatestFigures, Node
from apps.nodes.subjects import device_subject, node_subject, worker_subject

LEVEL = 1
"""Written once, read once: speed counts."""

KEPT_KINDS = (FigureKind.WORKERS, FigureKind.BLOCK_DEVICES, FigureKind.CONTAINERS)


def pending_store(
    cluster: Cluster,
    kind: str,
    rows: Iterable[LatestFigures],
    *,
    nodes: Mapping[int, Node],
    at: datetime,
) -> None:
    """Keep the new figures of a round, within the round's transaction.

    A client that can't tell a runtime's processes apart gives no boot; then the system
    samples' boot stands for it.
    """
    packed = [
        [
            row.node_id,
            _milliseconds(row.received_at),
            nodes[row.node_id].boot if row.boot is None else row.boot,
            _PACK[kind](row.figures or []),
        ]
        for row in rows
        if row.kind == kind and row.received_at is not None
    ]
    if packed:
        text = json.dumps(packed, separators=(",", ":")).encode()
        PendingFigures.objects.create(
            cluster=cluster, kind=kind, at=at, data=zlib.compress(text, LEVEL)
        )


def _milliseconds(moment: datetime) -> int:
    return round((moment - EPOCH).total_seconds() * 1000)


def _pack_workers(workers: list[dict[str, Any]]) -> list[Any]:
    return [[worker["worker_id"], "", *row_of("worker", worker)] for worker in workers]


def _pack_devices(devices: list[dict[str, Any]]) -> list[Any]:
    return [
        [device["pool_id"], device["pool_name"], *row_of("block_device", device)]
        for device in devices
    ]


def _pack_containers(containers: list[dict[str, Any]]) -> list[Any]:
    return [len(containers), len({container["pool_id"] for container in containers})]


_PACK = {
    FigureKind.WORKERS.value: _pack_workers,
    FigureKind.BLOCK_DEVICES.value: _pack_devices,
    FigureKind.CONTAINERS.value: _pack_containers,
}


def pending_gather(
    pending: PendingFigures, gathered: Gathered, *, labels: Mapping[int, str]
) -> None:
    """Add what one round brought. Nodes that are no longer there (`labels`) are left out."""
    take = _GATHER[pending.kind]
    for node_pk, time_ms, boot, parts in json.loads(zlib.decompress(pending.data)):
        label = labels.get(node_pk)
        if label is not None:
            take(gathered, node_pk, time_ms, boot, parts, label)


def _gather_workers(
    gathered: Gathered, node_pk: int, time_ms: int, boot: int | None, parts: Any, label: str
) -> None:
    rows = [row for _, _, *row in parts]
    gathered.add(
        node_subject(node_pk),
        "workers",
        label=label,
        boot=boot,
        time_ms=time_ms,
        row=workers_row(rows),
    )
    for (worker_id, *_), row in zip(parts, rows, strict=True):
        if worker_id is not None:
            gathered.add(
                worker_subject(node_pk, worker_id),
                "worker",
                label=f"worker {worker_id}",
                boot=boot,
                time_ms=time_ms,
                row=row,
            )


def _gather_devices(
    gathered: Gathered, node_pk: int, time_ms: int, boot: int | None, parts: Any, label: str
) -> None:
    del label
    for pool_id, pool_name, *row in parts:
        gathered.add(
            device_subject(node_pk, pool_id),
            "block_device",
            label=(pool_name or pool_id)[:200],
            boot=boot,
            time_ms=time_ms,
            row=row,
        )


def _gather_containers(
    gathered: Gathered, node_pk: int, time_ms: int, boot: int | None, parts: Any, label: str
) -> None:
    gathered.add(
        node_subject(node_pk), "containers", label=label, boot=boot, time_ms=time_ms, row=parts
    )


_GATHER = {
    FigureKind.WORKERS.value: _gather_workers,
    FigureKind.BLOCK_DEVICES.value: _gather_devices,
    FigureKind.CONTAINERS.value: _gather_containers,
}
