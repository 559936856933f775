"""A node as pages and API show it: its state and figures at one instant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from apps.cluster.models import Cluster
from apps.common.time import age_s
from apps.nodes.freshness import collector_silence, cursor_of, stale_after_s
from apps.nodes.models import FigureKind, Node
from apps.runtime.types import CONNECTIONS_LOW, CONNECTIONS_SERVED, NodeState, WireGeneration

NAMELESS = "0.0.0.0"  # noqa: S104 - what a runtime without a host file calls itself, not a bind
"""A runtime that has no host file gives this as its name and address."""

UP_STATES = frozenset({NodeState.ALIVE, NodeState.SUSPECT})

NODE_COLUMNS = (
    "pk",
    "node_id",
    "host",
    "port",
    "hostname",
    "ip_address",
    "state",
    "state_since",
    "state_reason",
    "is_leader",
    "is_simulated",
    "last_action",
    "wire_generation",
    "dialback_pairs_spent",
    "maintenance__by_name",
    "maintenance__reason",
    "maintenance__since",
    "maintenance__until",
)
NOT_IN_CONTRACT = ("pk", "action_is_news", "connections_left")
ACTION_IS_NEWS_FOR = timedelta(hours=12)
FIGURE_COLUMNS = ("node_id", "figures", "sampled_at", "received_at", "answered_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class InMaintenance:
    """Who keeps a node out of service, and why."""

    by: str
    reason: str
    since: datetime
    until: datetime | None
    """``None``: until somebody ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """One node of the topology. Every figure is ``None`` where it is not known now."""

    pk: int
    node_id: int
    name: str
    """The host of the host list; ``host:port`` where several nodes share a host."""
    address: str
    hostname: str
    ip_address: str
    port: int
    state: NodeState
    state_since: datetime | None
    state_age_s: float | None
    state_reason: str
    alive: bool | None
    """Alive, or late without a verdict; ``None`` when the state is not known."""
    is_leader: bool | None
    is_simulated: bool
    last_seen_at: datetime | None
    sampled_at: datetime | None
    age_s: float | None
    stale: bool
    """Nothing new came for longer than the stale limit (or nothing ever did)."""
    cpu_usage_pct: float | None
    ram_usage_pct: float | None
    ram_total_bytes: int | None
    ram_available_bytes: int | None
    gpu_count: int | None
    gpu_usage_pct: float | None
    hbm_usage_pct: float | None
    maintenance: InMaintenance | None = None
    """``None``: it is in service."""
    last_action: dict[str, Any] | None = None
    """See `services.ActionNote`; ``None``: nothing was ever done to it from here."""
    action_is_news: bool = False
    """Does `last_action` go on, or has it come to its end lately, or is the node not up since?"""
    connections_left: int | None = None
    """Before its runtime hears nobody new; ``None``: enough, or its generation has no limit."""

    def as_contract(self) -> dict[str, Any]:
        """The API contract's Node, with the portal's additions; times stay datetimes."""
        found = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in NOT_IN_CONTRACT
        }
        if self.maintenance is not None:
            found["maintenance"] = asdict(self.maintenance)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The whole cluster at one instant, as last collected."""

    at: datetime
    """That instant: states and ages are as of then."""
    polled_at: datetime | None
    age_s: float | None
    stale: bool
    """The collector's rounds stopped coming; all states read unknown."""
    connected: bool | None
    reason: str
    connection_since: datetime | None
    cursor: int
    is_simulated: bool
    nodes: list[NodeRow]
    counts: dict[str, int]
    """``nodes`` and one entry per state, zero included."""


class SystemFigures(NamedTuple):
    """A row of `LatestFigures` of kind system, as read for a topology."""

    figures: Mapping[str, Any] | None
    """Those of `FIGURES_SHOWN`."""
    sampled_at: datetime | None
    received_at: datetime | None
    answered_at: datetime | None


NO_FIGURES = SystemFigures(None, None, None, None)


@dataclass(frozen=True, slots=True)
class StoredNodes:
    """What is stored of the present nodes: a topology but for the instant of looking at it."""

    nodes: list[Mapping[str, Any]]
    """`NODE_COLUMNS` of each, in the order of the host list."""
    system: Mapping[int, SystemFigures]
    """By node primary key."""


FIGURES_SHOWN = (
    "cpu_usage_pct",
    "ram_usage_pct",
    "ram_total_bytes",
    "ram_available_bytes",
    "gpu_count",
    "gpu_usage_pct",
    "hbm_usage_pct",
)


def shown_name(told: str, configured: str) -> str:
    """What the runtime calls itself, unless it has not said, or has no name for itself."""
    return configured if told in ("", NAMELESS) else told


def node_row_build(
    node: Mapping[str, Any],
    system: SystemFigures,
    *,
    host_repeats: bool,
    silence: str,
    old_after: timedelta,
    at: datetime,
) -> NodeRow:
    """Put one row together. `silence`: why stored states can't be believed now, or empty.
    `old_after`: the age at which figures are stale.
    """
    state = NodeState(node["state"])
    since, reason = node["state_since"], node["state_reason"]
    if silence:
        # The stored state may have ended at any time since the last round.
        state, since, reason = NodeState.UNKNOWN, None, silence
    stale = system.received_at is None or at - system.received_at > old_after
    up = state in UP_STATES
    shown = state is NodeState.ALIVE or (state is NodeState.SUSPECT and not stale)
    figures: Mapping[str, Any] = system.figures if shown and system.figures is not None else {}
    host, port = node["host"], node["port"]
    address = address_text(host, port)
    return NodeRow(
        pk=node["pk"],
        node_id=node["node_id"],
        name=address if host_repeats else host,
        address=address,
        hostname=shown_name(node["hostname"], host),
        ip_address=shown_name(node["ip_address"], host),
        port=port,
        state=state,
        state_since=since,
        state_age_s=age_s(since, at=at),
        state_reason=reason,
        alive=None if state is NodeState.UNKNOWN else up,
        is_leader=node["is_leader"] if up else None,
        is_simulated=node["is_simulated"],
        last_seen_at=system.answered_at,
        sampled_at=system.sampled_at,
        age_s=age_s(system.received_at, at=at),
        stale=stale,
        maintenance=_maintenance(node, at=at),
        last_action=node["last_action"],
        action_is_news=_is_news(node["last_action"], up=up, at=at),
        connections_left=connections_left(node["wire_generation"], node["dialback_pairs_spent"]),
        **{name: figures.get(name) for name in FIGURES_SHOWN},
    )


def connections_left(generation: str, spent: int | None) -> int | None:
    """Of those a 2.2 runtime serves in its life, once `CONNECTIONS_LOW` are spent; else ``None``.

    Only the portal's own are counted: those of other clients can't be seen.
    """
    if generation != WireGeneration.V2_2 or spent is None or spent < CONNECTIONS_LOW:
        return None
    return max(0, CONNECTIONS_SERVED - spent)


def _is_news(action: Mapping[str, Any] | None, *, up: bool, at: datetime) -> bool:
    if action is None:
        return False
    return not up or at - datetime.fromisoformat(action["at"]) < ACTION_IS_NEWS_FOR


def _maintenance(node: Mapping[str, Any], *, at: datetime) -> InMaintenance | None:
    """As stored, unless its time is over."""
    since, until = node["maintenance__since"], node["maintenance__until"]
    if since is None or (until is not None and until <= at):
        return None
    return InMaintenance(
        by=node["maintenance__by_name"],
        reason=node["maintenance__reason"],
        since=since,
        until=until,
    )


def node_columns(node: Node) -> dict[str, Any]:
    """`NODE_COLUMNS` of a node that was read with its maintenance."""
    kept = getattr(node, "maintenance", None)
    found: dict[str, Any] = {}
    for name in NODE_COLUMNS:
        own = name.removeprefix("maintenance__")
        found[name] = getattr(node, name) if own == name else getattr(kept, own, None)
    return found


def address_text(host: str, port: int) -> str:
    """``host:port``; an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def topology_build(cluster: Cluster, stored: StoredNodes, *, at: datetime) -> Topology:
    """The topology as it is at that instant. No query."""
    silence = collector_silence(cluster, at=at)
    uses = Counter(node["host"] for node in stored.nodes)
    # Once, and not for each of a thousand nodes: reading settings takes its time.
    old_after = timedelta(seconds=stale_after_s(FigureKind.SYSTEM))
    rows = [
        node_row_build(
            node,
            stored.system.get(node["pk"], NO_FIGURES),
            host_repeats=uses[node["host"]] > 1,
            silence=silence,
            old_after=old_after,
            at=at,
        )
        for node in stored.nodes
    ]
    counted = Counter(row.state for row in rows)
    return Topology(
        at=at,
        polled_at=cluster.polled_at,
        age_s=age_s(cluster.polled_at, at=at),
        stale=bool(silence),
        connected=None if silence else cluster.connected,
        reason=silence or cluster.connection_reason,
        connection_since=None if silence else cluster.connection_since,
        cursor=cursor_of(cluster, at=at),
        is_simulated=cluster.is_simulated,
        nodes=rows,
        counts={"nodes": len(rows)} | {state.value: counted[state] for state in NodeState},
    )
