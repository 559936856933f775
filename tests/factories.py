"""Fill the database with clusters whose figures are those of recorded runtimes.

Plain functions, no fixtures: `cluster_of_four(at=…)` for pages and API, `cluster_of(n, at=…)`
for query counts and speed. `at` is the instant of the last finished round.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from apps.cluster.models import Cluster, ConfigStatus, ConfigVersion
from apps.nodes.models import FigureKind, LatestFigures, Node, SampleChunk, StateChange
from apps.runtime.types import NodeState

AT = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
BOOT = 4_350_241_753_646
RAM_TOTAL_BYTES = 25_276_502_016
HOSTFILE = "/etc/clio/hostfile"
CONFIG_PATH = "/etc/clio/clio.yaml"

CONFIG: dict[str, Any] = {
    "networking": {"port": 9413, "hostfile": HOSTFILE},
    "runtime": {"num_threads": 4, "queue_depth": 1024},
    "s3": {"endpoint": "https://s3.example.org", "secret_key": "••••••"},
    "compose": [
        {
            "mod_name": "clio_bdev",
            "pool_name": "ram::chi_default_bdev",
            "pool_id": "301.0",
            "pool_query": "local",
            "bdev_type": "ram",
            "capacity": "64MB",
        },
        {
            "mod_name": "clio_cte_core",
            "pool_name": "cte_main",
            "pool_id": "512.0",
            "pool_query": "local",
            "storage": [{"path": "ram::cte_ram_tier1", "bdev_type": "ram"}],
        },
        {
            "mod_name": "clio_cte_cache",
            "pool_name": "cte_cache",
            "pool_id": "563.10",
            "pool_query": "dynamic",
        },
    ],
}


def entry(*, node_id: int, event_id: int, at: datetime, **changes: Any) -> dict[str, Any]:
    """A contract Entry as release 2.3.2 gave it, of that node and time."""
    wall_time_ns = int(at.timestamp()) * 1_000_000_000
    return {
        "event_id": event_id,
        "timestamp_ns": 1_293_776_205_132 + event_id * 1_000_000_000,
        "wall_time_ns": wall_time_ns,
        "ram_total_bytes": RAM_TOTAL_BYTES,
        "ram_available_bytes": 24_690_204_672,
        "ram_usage_pct": 2.319532632827759,
        "cpu_usage_pct": 77.094970703125,
        "gpu_count": 0,
        "gpu_usage_pct": None,
        "hbm_usage_pct": None,
        "hbm_used_bytes": None,
        "hbm_total_bytes": None,
        "hostname": f"node{node_id}",
        "ip_address": f"10.0.0.{node_id % 250 + 1}",
        "node_id": node_id,
        "is_leader": node_id == 0,
    } | changes


GPU = {
    "gpu_count": 4,
    "gpu_usage_pct": 61.5,
    "hbm_usage_pct": 25.0,
    "hbm_used_bytes": 85_899_345_920,
    "hbm_total_bytes": 343_597_383_680,
}


def workers() -> list[dict[str, Any]]:
    """Two contract Workers, as recorded."""
    idle = {
        "worker_id": 0,
        "is_running": True,
        "is_active": True,
        "idle_iterations": 849,
        "num_queued_tasks": 0,
        "num_blocked_tasks": 0,
        "num_periodic_tasks": 3,
        "num_retry_tasks": 0,
        "suspend_period_us": 1_000_000,
        "num_tasks_processed": 151,
        "load": 0.0,
    }
    busy = {
        "worker_id": 1,
        "is_active": False,
        "idle_iterations": 0,
        "num_queued_tasks": 3,
        "num_blocked_tasks": 1,
        "suspend_period_us": 25,
        "num_tasks_processed": 157_766,
        "load": 812.5,
    }
    return [idle, idle | busy]


def devices(*, with_rates: bool = True) -> list[dict[str, Any]]:
    """A written ram device, as recorded, and a file device with a failure prediction."""
    ram: dict[str, Any] = {
        "pool_id": "301.0",
        "pool_name": "ram::chi_default_bdev",
        "bdev_type": 1,
        "total_capacity": 67_108_864,
        "remaining_capacity": 50_331_648,
        "read_bandwidth_mbps": 476.60987026926017,
        "write_bandwidth_mbps": 3185.4,
        "read_latency_us": 2098.152099609375,
        "write_latency_us": 313.9,
        "iops": 1_000_000.0,
        "total_reads": 0,
        "total_writes": 1075,
        "total_bytes_read": 0,
        "total_bytes_written": 70_451_200,
        "device_health": "{}",
        "failure_prediction": "{}",
        "predicted_ttl_days": 999_999,
        "read_bytes_per_s": 0.0 if with_rates else None,
        "write_bytes_per_s": 7_045_120.0 if with_rates else None,
        "reads_per_s": 0.0 if with_rates else None,
        "writes_per_s": 107.5 if with_rates else None,
    }
    disk = ram | {
        "pool_id": "302.0",
        "pool_name": "/srv/clio/bdev.dat",
        "bdev_type": 0,
        "iops": 1000.0,
        "device_health": '{"temperature_c": 41}',
        "failure_prediction": '{"probability": 0.03}',
        "predicted_ttl_days": 120,
    }
    return [ram, disk]


def containers(node_id: int) -> list[dict[str, Any]]:
    """Contract Containers of one node: trained, untrained, and with no methods."""
    seed = {"coefficient": 1.0, "mape": 0.0, "wall_coefficient": 1.0, "wall_mape": 0.0}
    trained = {
        "coefficient": 56.807,
        "mape": 0.1993,
        "wall_coefficient": 2869.1,
        "wall_mape": 0.2,
    }
    listed = [
        (
            "301.0",
            "ram::chi_default_bdev",
            "clio_bdev",
            [
                {"id": 0, "name": "Create"} | seed,
                {"id": 9, "name": "Monitor"} | trained,
            ],
        ),
        ("1.0", "admin", "clio_admin", [{"id": 9, "name": "Monitor"} | trained]),
    ]
    if node_id == 0:
        listed += [
            ("512.0", "cte_main", "clio_cte_core", []),
            ("512.1", "ram::cte_ram_tier1", "clio_bdev", []),
            ("564.0", "cte_indexer", "clio_cte_indexer", []),
        ]
    return [
        {
            "pool_id": pool_id,
            "pool_name": pool_name,
            "chimod_name": chimod_name,
            "container_id": node_id,
            "learning_rate": 0.2,
            "methods": methods,
        }
        for pool_id, pool_name, chimod_name, methods in listed
    ]


def cluster_make(*, at: datetime = AT, **changes: Any) -> Cluster:
    values: dict[str, Any] = {
        "created_at": at - timedelta(days=1),
        "polled_at": at,
        "poll_number": 1234,
        "connected": True,
        "connection_since": at - timedelta(hours=2),
    }
    return Cluster.objects.create(**values | changes)


def node_make(cluster: Cluster, *, node_id: int, at: datetime = AT, **changes: Any) -> Node:
    values: dict[str, Any] = {
        "host": f"node{node_id}",
        "port": 9413,
        "hostname": f"node{node_id}",
        "ip_address": f"10.0.0.{node_id % 250 + 1}",
        "state": NodeState.ALIVE,
        "state_since": at - timedelta(hours=2),
        "first_seen_at": at - timedelta(days=1),
        "boot": BOOT + node_id,
        "booted_at": at - timedelta(hours=2),
        "wire_generation": "2.3",
        "server_pid": 21924 + node_id,
        "clock_skew_s": 0.4,
        "is_leader": node_id == 0,
        "created_at": at - timedelta(days=1),
    }
    return Node.objects.create(cluster=cluster, node_id=node_id, **values | changes)


def figures_of(node: Node, *, at: datetime, gpu: bool = False) -> list[LatestFigures]:
    """Unsaved rows of every kind, as collected from that node at `at`."""
    assert node.node_id is not None
    listed = containers(node.node_id)
    by_kind: dict[str, Any] = {
        FigureKind.SYSTEM: entry(node_id=node.node_id, event_id=300, at=at, **(GPU if gpu else {})),
        FigureKind.WORKERS: workers(),
        FigureKind.BLOCK_DEVICES: devices(),
        FigureKind.CONTAINERS: listed,
        FigureKind.POOLS: [
            {name: value for name, value in item.items() if name not in _LEARNED} for item in listed
        ],
    }
    return [
        LatestFigures(
            node=node,
            kind=kind,
            figures=figures,
            sampled_at=at,
            received_at=at,
            answered_at=at,
            latency_s=0.0005,
            clock_skew_s=0.4 if kind == FigureKind.SYSTEM else None,
            boot=node.boot,
        )
        for kind, figures in by_kind.items()
    ]


_LEARNED = ("methods", "learning_rate")


def samples_make(node: Node, *, at: datetime, seconds: int, gpu: bool = False) -> None:
    """`seconds` samples up to event 300 at `at`, in chunks of two as rounds bring them."""
    assert node.node_id is not None
    ids = range(301 - seconds, 301)
    rows = [
        entry(
            node_id=node.node_id,
            event_id=event_id,
            at=at - timedelta(seconds=300 - event_id),
            **(GPU if gpu else {}),
        )
        for event_id in ids
    ]
    pairs = [rows[start : start + 2] for start in range(0, len(rows), 2)]
    SampleChunk.objects.bulk_create(
        SampleChunk(
            node=node,
            boot=node.boot,
            first_event_id=pair[0]["event_id"],
            last_event_id=pair[-1]["event_id"],
            first_at=at - timedelta(seconds=300 - pair[0]["event_id"]),
            last_at=at - timedelta(seconds=300 - pair[-1]["event_id"]),
            entries=pair,
        )
        for pair in pairs
    )


def config_make(cluster: Cluster, *, at: datetime = AT) -> ConfigVersion:
    version = ConfigVersion.objects.create(
        cluster=cluster,
        number=1,
        path=CONFIG_PATH,
        sha256="0" * 64,
        read_at=at - timedelta(days=1),
        config=CONFIG,
    )
    ConfigStatus.objects.create(
        cluster=cluster,
        checked_at=at,
        path=CONFIG_PATH,
        searched=["CLIO_SERVER_CONF", CONFIG_PATH],
        current=version,
        hostfile=HOSTFILE,
    )
    return version


def cluster_of_four(*, at: datetime = AT) -> Cluster:
    """Four nodes and their configuration.

    0: the leader, alive. 1: alive, with four GPUs. 2: down for five minutes, its last
    figures older than that. 3: alive but its system figures are a minute old and its
    last question failed. Also node "gone", retired an hour ago.
    """
    cluster = cluster_make(at=at)
    config_make(cluster, at=at)
    died_at, stuck_at = at - timedelta(minutes=5), at - timedelta(minutes=1)
    leader = node_make(cluster, node_id=0, at=at)
    gpu = node_make(cluster, node_id=1, at=at)
    dead = node_make(
        cluster,
        node_id=2,
        at=at,
        state=NodeState.DOWN,
        state_since=died_at,
        state_reason="Its client port refuses connections.",
    )
    stuck = node_make(cluster, node_id=3, at=at)
    LatestFigures.objects.bulk_create(
        figures_of(leader, at=at)
        + figures_of(gpu, at=at, gpu=True)
        + figures_of(dead, at=died_at)
        + figures_of(stuck, at=stuck_at)
    )
    LatestFigures.objects.filter(node=stuck, kind=FigureKind.SYSTEM).update(
        answered_at=at,
        error_at=at,
        error_code="contract_broken",
        error_message="Node 3 answered system_stats without the key ram_usage_pct.",
    )
    LatestFigures.objects.filter(node=dead).update(
        error_at=at,
        error_code="unreachable",
        error_message="Nothing answers at node2:9413.",
    )
    StateChange.objects.create(
        node=dead,
        at=died_at,
        from_state=NodeState.ALIVE,
        to_state=NodeState.DOWN,
        reason="Its client port refuses connections.",
        boot=dead.boot,
    )
    samples_make(leader, at=at, seconds=120)
    samples_make(gpu, at=at, seconds=120, gpu=True)
    Node.objects.create(
        cluster=cluster,
        host="gone",
        port=9413,
        created_at=at - timedelta(days=1),
        retired_at=at - timedelta(hours=1),
    )
    return cluster


def cluster_of(count: int, *, at: datetime = AT) -> Cluster:
    """`count` living nodes with figures of every kind, without samples."""
    cluster = cluster_make(at=at)
    config_make(cluster, at=at)
    nodes = Node.objects.bulk_create(
        Node(
            cluster=cluster,
            node_id=node_id,
            host=f"node{node_id}",
            port=9413,
            hostname=f"node{node_id}",
            ip_address=f"10.0.{node_id // 250}.{node_id % 250 + 1}",
            state=NodeState.ALIVE,
            state_since=at - timedelta(hours=2),
            boot=BOOT + node_id,
            is_leader=node_id == 0,
            created_at=at,
        )
        for node_id in range(count)
    )
    LatestFigures.objects.bulk_create(row for node in nodes for row in figures_of(node, at=at))
    return cluster
