"""Fill the history with figures that a test can foretell.

Of node n, t seconds before `at`: CPU is 10·n + (t mod 10), RAM 50 − n; it has 2·n queued
tasks; its block device 301.0 has written 1,000·(n + 1) bytes a second. A minute is missing,
from ten to nine minutes before `at`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from apps.cluster.models import Cluster
from apps.history.services import collection_mark, samples_store, states_store
from apps.history.types import SampleBatch, StateSample
from apps.nodes.models import Node
from apps.nodes.subjects import device_subject, node_subject, worker_subject

GAP_S = range(541, 601)
"""Seconds before `at` of which nothing is known."""


def history_make(cluster: Cluster, *, at: datetime, seconds: int = 1800) -> None:
    """`seconds` of every node of the cluster, up to and with `at`."""
    nodes = list(Node.objects.filter(cluster=cluster).order_by("node_id"))
    back = [second for second in range(seconds - 1, -1, -1) if second not in GAP_S]
    batches: list[SampleBatch] = []
    for node in nodes:
        if node.node_id is not None:
            batches += node_batches(node, back=back, at=at)
    samples_store(cluster_key=cluster.pk, batches=batches, at=at)
    _states_make(cluster, nodes, at=at, seconds=seconds)


def _ms(at: datetime, back: Sequence[int]) -> list[int]:
    return [int((at - timedelta(seconds=second)).timestamp() * 1000) for second in back]


def node_batches(node: Node, *, back: Sequence[int], at: datetime) -> list[SampleBatch]:
    assert node.node_id is not None
    number = node.node_id
    five, ten = [s for s in back if s % 5 == 0], [s for s in back if s % 10 == 0]
    subject = node_subject(node.pk)
    worker = worker_subject(node.pk, 0)
    device = device_subject(node.pk, "301.0")
    system = SampleBatch(
        subject.kind,
        subject.key,
        "system",
        node.address,
        node.boot,
        _ms(at, back),
        [100_000 - second for second in back],
        {
            "cpu_usage_pct": [10.0 * number + second % 10 for second in back],
            "ram_usage_pct": [50.0 - number for _ in back],
            "is_leader": [int(number == 0) for _ in back],
        },
    )
    workers = SampleBatch(
        subject.kind,
        subject.key,
        "workers",
        node.address,
        node.boot,
        _ms(at, five),
        None,
        {"num_queued_tasks": [2 * number for _ in five], "count": [4 for _ in five]},
    )
    one_worker = SampleBatch(
        worker.kind,
        worker.key,
        "worker",
        "worker 0",
        node.boot,
        _ms(at, five),
        None,
        {"num_queued_tasks": [number for _ in five]},
    )
    written = [1_000 * (number + 1) * (1_000_000 - second) for second in ten]
    devices = SampleBatch(
        device.kind,
        device.key,
        "block_device",
        "ram::chi_default_bdev",
        node.boot,
        _ms(at, ten),
        None,
        {"total_bytes_written": written},
    )
    return [system, workers, one_worker, devices]


def _states_make(cluster: Cluster, nodes: Sequence[Node], *, at: datetime, seconds: int) -> None:
    """All alive throughout, but node 2, down from five to four minutes ago."""
    start = at - timedelta(seconds=seconds - 1)
    for second in range(seconds - 1, -1, -30):
        collection_mark(cluster_key=cluster.pk, at=at - timedelta(seconds=second))
    collection_mark(cluster_key=cluster.pk, at=at)
    changes = []
    for node in nodes:
        if node.node_id is None:
            continue
        named = ("node", node_subject(node.pk).key, node.address)
        changes.append(StateSample(*named, "alive", start))
        if node.node_id == 2:
            changes.append(StateSample(*named, "down", at - timedelta(minutes=5)))
            changes.append(StateSample(*named, "alive", at - timedelta(minutes=4)))
    states_store(cluster_key=cluster.pk, changes=changes, at=at)
