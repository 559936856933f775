"""Reads over pools, containers and block devices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from apps.cluster.models import Cluster
from apps.cluster.selectors import ConfigView, config_view
from apps.common.time import age_s
from apps.nodes.freshness import collector_silence, is_stale
from apps.nodes.models import FigureKind, LatestFigures, Node
from apps.nodes.rows import UP_STATES
from apps.nodes.selectors import Latest, latest

_TIER_NODE = re.compile(r"_node\d+$", re.ASCII)
"""In a cluster the runtime ends a tier's name with the node that holds it."""
ADMIN_POOL_ID = "1.0"
"""Every runtime has the admin pool; no configuration declares it."""


class Drift(StrEnum):
    """How a pool's declaration and its life differ."""

    NONE = ""
    NOT_LIVE = "declared, not live"
    NOT_DECLARED = "live, not declared"
    OWN = "runtime's own"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """One pool, declared in the configuration, live on nodes, or both."""

    mod_name: str
    pool_name: str
    pool_id: str
    """``major.minor``, the text as written; empty when the declaration has none."""
    pool_query: str | None
    declared: bool
    live: bool | None
    """``None``: no node's containers are known now."""
    nodes: list[int]
    """Ids of the nodes on which it runs."""
    drift: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolsView:
    """Every pool: those declared in order of the file, then those only live, by id."""

    config: ConfigView
    pools: list[PoolRow]
    nodes_known: int
    """Nodes whose containers are known now; what is live on others can't be told."""
    nodes_total: int
    sampled_at: datetime | None
    """The oldest of the answers that were used."""
    age_s: float | None

    @property
    def declared(self) -> list[PoolRow]:
        return [pool for pool in self.pools if pool.declared]

    @property
    def live(self) -> list[PoolRow]:
        return [pool for pool in self.pools if pool.live]

    @property
    def drifted(self) -> list[PoolRow]:
        return [pool for pool in self.pools if pool.drift in (Drift.NOT_LIVE, Drift.NOT_DECLARED)]


@dataclass(slots=True)
class _Live:
    pool_name: str
    chimod_name: str
    nodes: list[int]


def pools_view(cluster: Cluster, *, at: datetime) -> PoolsView:
    """Declared pools beside live ones. Four queries."""
    config = config_view(cluster)
    silence = collector_silence(cluster, at=at)
    rows: Any = (
        LatestFigures.objects.filter(
            node__cluster=cluster,
            node__retired_at=None,
            node__state__in=UP_STATES,
            kind=FigureKind.POOLS,
        )
        .order_by("node__node_id")
        .values_list("node__node_id", "figures", "sampled_at", "received_at")
    )
    known = [
        row
        for row in rows
        if not silence and row[1] is not None and not is_stale(row[3], kind=FigureKind.POOLS, at=at)
    ]
    live = _live_pools((node_id, figures) for node_id, figures, _, _ in known)
    return PoolsView(
        config=config,
        pools=_merge(config.config or {}, live, anything_known=bool(known)),
        nodes_known=len(known),
        nodes_total=Node.objects.present().filter(cluster=cluster).count(),
        sampled_at=min((row[2] for row in known), default=None),
        age_s=age_s(min((row[3] for row in known), default=None), at=at),
    )


def _live_pools(answers: Iterator[tuple[int, list[Mapping[str, Any]]]]) -> dict[str, _Live]:
    live: dict[str, _Live] = {}
    for node_id, containers in answers:
        for item in containers:
            pool = live.setdefault(
                item["pool_id"], _Live(item["pool_name"], item["chimod_name"], [])
            )
            if node_id not in pool.nodes:
                pool.nodes.append(node_id)
    return live


def _merge(
    config: Mapping[str, Any], live: dict[str, _Live], *, anything_known: bool
) -> list[PoolRow]:
    declared = declared_pools(config)
    rows: list[PoolRow] = []
    for entry in declared:
        found = live.get(entry["pool_id"])
        rows.append(
            PoolRow(
                **entry,
                declared=True,
                live=found is not None if anything_known else None,
                nodes=found.nodes if found else [],
                drift=Drift.NOT_LIVE if anything_known and found is None else Drift.NONE,
            )
        )
    declared_ids = {entry["pool_id"] for entry in declared}
    tiers = _tier_names(config)
    for pool_id in sorted(set(live) - declared_ids, key=_pool_order):
        pool = live[pool_id]
        own = pool_id == ADMIN_POOL_ID or _TIER_NODE.sub("", pool.pool_name) in tiers
        rows.append(
            PoolRow(
                mod_name=pool.chimod_name,
                pool_name=pool.pool_name,
                pool_id=pool_id,
                pool_query=None,
                declared=False,
                live=True,
                nodes=pool.nodes,
                drift=Drift.OWN if own else Drift.NOT_DECLARED,
            )
        )
    return rows


def _compose(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    compose = config.get("compose")
    if not isinstance(compose, list):
        return []
    return [entry for entry in compose if isinstance(entry, Mapping)]


def declared_pools(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """mod_name, pool_name, pool_id, pool_query of each entry of the compose section."""
    return [
        {
            "mod_name": _text(entry.get("mod_name")) or "",
            "pool_name": _text(entry.get("pool_name")) or "",
            "pool_id": _text(entry.get("pool_id")) or "",
            "pool_query": _text(entry.get("pool_query")),
        }
        for entry in _compose(config)
    ]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _tier_names(config: Mapping[str, Any]) -> set[str]:
    """Storage paths of declared pools: the runtime makes a block device pool of each."""
    return {
        str(tier["path"])
        for entry in _compose(config)
        if isinstance(entry.get("storage"), list)
        for tier in entry["storage"]
        if isinstance(tier, Mapping) and "path" in tier
    }


def _pool_order(pool_id: str) -> tuple[int, int, str]:
    major, _, minor = pool_id.partition(".")
    if major.isdecimal() and minor.isdecimal():
        return int(major), int(minor), pool_id
    return 2**63, 0, pool_id


def devices(node: Node, *, at: datetime) -> Latest:
    """The node's block devices: contract Devices, each with ``read_bytes_per_s``,
    ``write_bytes_per_s``, ``reads_per_s`` and ``writes_per_s``, measured between the
    last two answers of one runtime process, else ``None``. One query.
    """
    return latest(node, FigureKind.BLOCK_DEVICES, at=at)


def containers(node: Node, *, at: datetime) -> Latest:
    """The node's containers: contract Containers. One query."""
    return latest(node, FigureKind.CONTAINERS, at=at)
