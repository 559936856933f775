"""The configuration file of one runtime node on loopback, for each wire generation."""

from enum import Enum, auto
from pathlib import Path
from typing import Any

import yaml

RAM_BDEV_POOL_ID = "301.0"
FILE_BDEV_POOL_ID = "302.0"
CTE_POOL_ID = "512.0"
# Before 2.3 a host file entry cannot name a port, so several nodes cannot share one machine.
FIRST_CLUSTER_VERSION = (2, 3)


class CtePools(Enum):
    """Which pools of the Context Transfer Engine a node composes."""

    NONE = auto()
    CORE = auto()
    """The core with its tiers, and CAE: what one node can have alone."""
    ALL = auto()
    """Also the layers above the core. They wait for their containers on the other nodes, some
    30 s where these have none, so that either all nodes of a cluster get them or none."""


def version_tuple(version: str) -> tuple[int, ...]:
    """ "2.3.2" as (2, 3, 2)."""
    return tuple(int(part) for part in version.split("."))


def _bdev_pools(directory: Path) -> list[dict[str, Any]]:
    common = {"mod_name": "clio_bdev", "pool_query": "local", "capacity": "64MB"}
    return [
        common
        | {
            "pool_name": "ram::chi_default_bdev",
            "pool_id": RAM_BDEV_POOL_ID,
            "bdev_type": "ram",
        },
        common
        | {
            "pool_name": str(directory / "storage" / "bdev.dat"),
            "pool_id": FILE_BDEV_POOL_ID,
            "bdev_type": "file",
        },
    ]


def _chain_pool(mod_name: str, pool_id: str, next_pool_id: str, **extra: Any) -> dict[str, Any]:
    return {
        "mod_name": mod_name,
        "pool_name": mod_name,
        "pool_query": "local",
        "pool_id": pool_id,
        "next_pool_id": next_pool_id,
        **extra,
    }


def _cte_core_pool(storage: Path) -> dict[str, Any]:
    return {
        "mod_name": "clio_cte_core",
        "pool_name": "cte_main",
        "pool_query": "local",
        "pool_id": CTE_POOL_ID,
        "storage": [
            {
                "path": "ram::cte_ram_tier1",
                "bdev_type": "ram",
                "capacity_limit": "256MB",
                "growth_unit": "16MB",
                "score": 1.0,
            },
            {
                "path": str(storage / "cte_disk_tier.dat"),
                "bdev_type": "file",
                "capacity_limit": "256MB",
                "growth_unit": "16MB",
                "score": 0.2,
                "persistence_level": "temporary",
            },
        ],
        "performance": {
            "metadata_log_path": str(storage / "cte_metadata_log"),
            "transaction_log_capacity": "4MB",
        },
        "dpe": {"dpe_type": "max_bw"},
        "targets": {
            "neighborhood": 1,
            "default_target_timeout_ms": 30000,
            "poll_period_ms": 5000,
        },
    }


def _cte_pools(wanted: CtePools, directory: Path, version: tuple[int, ...]) -> list[dict[str, Any]]:
    """The pools of the wheel's own default file, shrunk to fit beside others on one machine."""
    if wanted is CtePools.NONE:
        return []
    storage = directory / "storage"
    core = _cte_core_pool(storage)
    if version < (2, 2):
        # 2.0 and 2.1 know no disk tier, log or layer above the core.
        core["storage"] = core["storage"][:1]
        del core["performance"]
        cae = _chain_pool("clio_cae_core", "400.0", CTE_POOL_ID)
        return [core, cae]
    copies = {"replication_factor": 1} if version >= (2, 3) else {"num_replicas": 1}
    index_log = {"index_log_path": str(storage / "cte_indexer_index")}
    cae = _chain_pool("clio_cae_core", "400.0", CTE_POOL_ID) | {"pool_name": "cae_main"}
    if wanted is CtePools.CORE:
        return [cae, core]
    pools = [
        cae,
        core,
        _chain_pool(
            "clio_cte_replication",
            "561.0",
            CTE_POOL_ID,
            **copies,
            cache_score=1.0,
            replica_score=0.2,
        ),
    ]
    below_cache = "561.0"
    if version >= (2, 3):
        pools.append(_chain_pool("clio_cte_indexer", "564.0", below_cache, **index_log))
        below_cache = "564.0"
    pools.append(_chain_pool("clio_cte_cache", "563.0", below_cache, min_score=0.5))
    if version >= (2, 3):
        pools.append(_chain_pool("clio_cte_stream", "565.0", "563.0", staging_pool_id="561.0"))
    pools.append(_chain_pool("clio_cte_filesystem", "560.0", "563.0"))
    return pools


def node_config(
    *,
    directory: Path,
    version: tuple[int, ...],
    port: int,
    hostfile: Path | None,
    cte: CtePools,
    num_threads: int,
) -> dict[str, Any]:
    """The content of the node's YAML file: its own directory, ports and shared-memory names."""
    networking: dict[str, Any] = {"port": port, "wait_for_restart": 30}
    if hostfile:
        networking["hostfile"] = str(hostfile)
    return {
        "networking": networking,
        "runtime": {
            "num_threads": num_threads,
            "conf_dir": str(directory / "conf"),
            "ipc_namespace": f"port{port}",
        },
        "viz": {"enabled": False},
        "compose": _bdev_pools(directory) + _cte_pools(cte, directory, version),
    }


def node_config_write(path: Path, config: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(config, sort_keys=False))
