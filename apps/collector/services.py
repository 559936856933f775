"""What the collector does: rounds, the watch over the configuration, and upkeep."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from apps.cluster.services import ConfigCheck, cluster_ensure, cluster_touch, config_check
from apps.collector.engine import Engine, engine_get
from apps.collector.rounds import RoundResult, round_run
from apps.collector.store import samples_prune
from apps.nodes.models import Node
from apps.nodes.services import nodes_sync

SAMPLES_KEPT = timedelta(minutes=20)
"""As far back as a runtime's own ring reaches; longer ago is history's."""


def config_watch(*, at: datetime) -> ConfigCheck:
    """Look at the configuration once, store what changed, and follow the host list."""
    cluster = cluster_ensure(at=at)
    check = config_check(cluster, at=at, env=os.environ, home=Path.home())
    if check.targets is not None and nodes_sync(cluster, targets=check.targets, at=at).changed:
        cluster_touch(cluster)
    return check


def collect(*, kind: str, at: datetime, engine: Engine | None = None) -> RoundResult | None:
    """One round of `kind` with this process's engine; see `round_run`.

    Where no node is known yet, the configuration is looked at first, so that a portal that
    has just been started asks at once.
    """
    if not Node.objects.present().exists():
        config_watch(at=at)
    return round_run(engine or engine_get(), kind=kind, at=at)


def maintain(*, at: datetime) -> int:
    """Delete what is no longer needed. Returns the number of sample rows deleted."""
    return samples_prune(before=at - SAMPLES_KEPT)
