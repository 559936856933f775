"""The host file and the configuration with which a portal finds the simulated cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from apps.runtime.simulated.chimods import pools_of
from apps.runtime.simulated.options import SimOptions
from apps.runtime.types import Target

_NOTE = "# SIMULATED cluster: written by apps.runtime.simulated; no real runtime listens here.\n"
_BLOCK_DEVICE = {
    "mod_name": "clio_bdev",
    "pool_name": "ram::chi_default_bdev",
    "pool_query": "local",
    "pool_id": "301.0",
    "bdev_type": "ram",
    "capacity": "16GB",
}


def hostfile_text(targets: Sequence[Target]) -> str:
    """One line a node, by node id: `host`, or `host:port` where ports differ.

    No comment stands in it: a runtime counts every line as a node.
    """
    same_port = len({target.port for target in targets}) == 1
    lines = [target.host if same_port else target.address for target in targets]
    return "\n".join(lines) + "\n"


def config_text(options: SimOptions, targets: Sequence[Target], hostfile: str) -> str:
    """The YAML that a runtime of this cluster would have been started with."""
    networking: dict[str, Any] = {"port": targets[0].port}
    if hostfile:
        networking["hostfile"] = hostfile
    config: dict[str, Any] = {
        "networking": networking,
        "runtime": {"num_threads": options.fleet.workers, "queue_depth": 1024},
        "swim": {"enabled": False},
        "viz": {"enabled": False},
        "compose": [_BLOCK_DEVICE, *_composed(options)],
    }
    return _NOTE + yaml.safe_dump(config, sort_keys=False)


def _composed(options: SimOptions) -> list[dict[str, Any]]:
    return [
        {
            "mod_name": pool.chimod,
            "pool_name": pool.pool_name,
            "pool_query": "local",
            "pool_id": pool.pool_id,
        }
        for pool in pools_of(options.generation)
        if pool.pool_name != "admin"
    ]


def text_write(path: Path, text: str) -> None:
    """Write whole or not at all, so that a watcher never reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)
