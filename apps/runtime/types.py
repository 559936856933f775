"""What a CLIO Runtime tells, as typed values.

Field names are the wire's own where those are clear. ``None`` always means
"not known"; it never stands for zero. ``extra`` keeps the keys that a newer
runtime sends and this version does not know, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Extra = Mapping[str, Any]

DEFAULT_PORT = 9413
"""``networking.port`` of a runtime whose configuration names none."""

CLIENT_PORT_OFFSET = 3
"""A runtime's client port is its ``networking.port`` plus this."""

NO_PREDICTION_DAYS = 999_999
"""``predicted_ttl_days`` with this value means that there is no prediction."""


class WireGeneration(StrEnum):
    """The three layouts of a request, named after the release that brought each."""

    V2_0 = "2.0"
    V2_2 = "2.2"
    V2_3 = "2.3"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One runtime to talk to: its line in the host file and where it listens.

    ``port`` is ``networking.port``; the client port is ``port + 3``.
    """

    node_id: int
    host: str
    port: int = DEFAULT_PORT

    @property
    def client_port(self) -> int:
        return self.port + CLIENT_PORT_OFFSET

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"node {self.node_id} ({self.address})"


class RouteMode(StrEnum):
    LOCAL = "local"
    DIRECT_ID = "direct_id"
    DIRECT_HASH = "direct_hash"
    RANGE = "range"
    BROADCAST = "broadcast"
    PHYSICAL = "physical"
    DYNAMIC = "dynamic"


@dataclass(frozen=True, slots=True)
class Route:
    """Which containers of a pool run a query. ``Route.local()`` is what the portal uses."""

    mode: RouteMode = RouteMode.LOCAL
    value: int | None = None
    """Container id, hash, node id or range offset, by ``mode``."""
    count: int | None = None
    """Length of the range; only with ``RANGE``."""

    @classmethod
    def local(cls) -> Route:
        return cls()

    @classmethod
    def broadcast(cls) -> Route:
        return cls(RouteMode.BROADCAST)

    @classmethod
    def physical(cls, node_id: int) -> Route:
        return cls(RouteMode.PHYSICAL, node_id)


@dataclass(frozen=True, slots=True)
class Answer:
    """Raw answers of one query: container id → msgpack bytes, undecoded."""

    parts: Mapping[int, bytes]
    return_code: int
    boot: int | None
    """The runtime process's generation number: differs after each restart. ``None``: not known."""


@dataclass(frozen=True, slots=True)
class HostInfo:
    """Answer of ``get_host_info``. Without a host file both names are ``0.0.0.0``."""

    hostname: str
    ip_address: str
    node_id: int
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One worker thread. Counts are gauges; ``num_tasks_processed`` counts since start."""

    worker_id: int
    is_running: bool
    is_active: bool
    idle_iterations: int
    num_queued_tasks: int
    num_blocked_tasks: int
    num_periodic_tasks: int
    num_retry_tasks: int
    suspend_period_us: int
    num_tasks_processed: int
    load: float | None
    """Predicted queued work, microseconds."""
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SystemSample:
    """One sample of the runtime's 1 Hz ring. ``event_id`` restarts at 0 with the process.

    ``cpu_usage_pct`` is ``None`` for event 0: a runtime's first sample is no measurement.
    GPU and HBM percentages are ``None`` where there is no GPU or no HBM.
    """

    event_id: int
    timestamp_ns: int
    wall_time_ns: int
    node_id: int
    hostname: str
    ip_address: str
    is_leader: bool
    cpu_usage_pct: float | None
    ram_usage_pct: float | None
    ram_total_bytes: int
    ram_available_bytes: int
    gpu_count: int
    gpu_usage_pct: float | None
    hbm_usage_pct: float | None
    hbm_used_bytes: int | None
    hbm_total_bytes: int | None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """One ``clio_bdev`` pool of a node.

    Bandwidth and latency are the runtime model's prediction, and its seed
    before any I/O: not a measurement. ``stats_known`` is false when the runtime
    listed the device but could not read it; then every figure is ``None``.
    """

    pool_id: str
    pool_name: str | None
    stats_known: bool
    bdev_type: int | None
    total_capacity: int | None
    remaining_capacity: int | None
    read_bandwidth_mbps: float | None
    write_bandwidth_mbps: float | None
    read_latency_us: float | None
    write_latency_us: float | None
    iops: float | None
    total_reads: int | None
    total_writes: int | None
    total_bytes_read: int | None
    total_bytes_written: int | None
    device_health: str | None
    failure_prediction: str | None
    predicted_ttl_days: int | None
    """As sent: ``NO_PREDICTION_DAYS`` means none; ``ttl_days`` says it as ``None``."""
    extra: Extra = field(default_factory=dict)

    @property
    def ttl_days(self) -> int | None:
        """Predicted days to live, or ``None`` when there is no prediction."""
        days = self.predicted_ttl_days
        return None if days is None or days >= NO_PREDICTION_DAYS else days


@dataclass(frozen=True, slots=True)
class Method:
    """A method's learned cost model. ``coefficient`` 1.0 with ``mape`` 0.0 is untrained.

    A figure is ``None`` where the model has diverged (the runtime sends NaN or infinity).
    """

    id: int
    name: str
    coefficient: float | None
    mape: float | None
    wall_coefficient: float | None
    wall_mape: float | None
    extra: Extra = field(default_factory=dict)

    @property
    def is_trained(self) -> bool:
        seed = (1.0, 0.0, 1.0, 0.0)
        return (self.coefficient, self.mape, self.wall_coefficient, self.wall_mape) != seed


@dataclass(frozen=True, slots=True)
class Container:
    """A pool's part on one node. ``methods`` holds named methods only: unnamed ones are padding."""

    pool_id: str
    pool_name: str
    chimod_name: str
    container_id: int
    learning_rate: float | None
    methods: tuple[Method, ...]
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A pool's own answer to a selector. Its shape is the ChiMod's affair.

    Exactly one of ``figures`` (a map was sent), ``text`` (printable text) and neither
    (bytes that are no such thing) holds; ``raw`` is always what came.
    """

    raw: bytes
    figures: Mapping[str, Any] | None = None
    text: str | None = None


class NodeState(StrEnum):
    """The condition of a node, by evidence.

    alive: it answered. suspect: it is late, with no verdict yet. hung: it accepts
    TCP but does not answer. down: it refuses or can't be reached. unknown: never
    asked, or what is known is too old to be believed.
    """

    ALIVE = "alive"
    SUSPECT = "suspect"
    HUNG = "hung"
    DOWN = "down"
    UNKNOWN = "unknown"


CONNECTIONS_SERVED = 1_000
"""(identity, port) pairs that a runtime of 2.2 serves in its life; then it hears nobody new."""
CONNECTIONS_LOW = 500
"""From so many on, people are told."""


class Reachability(StrEnum):
    """What a bare TCP connect to the client port found. It is no sign of life."""

    ACCEPTS = "accepts"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Connection:
    """What is known of the way to one runtime."""

    target: Target
    generation: WireGeneration | None
    boot: int | None
    server_pid: int | None
    connected: bool
    dialback_address: str | None
    """``host:port`` that this runtime dials to answer; ``None`` for generation 2.0."""
    dialback_pairs_spent: int
    """(identity, port) pairs used up on this runtime's process; 2.2 serves 1,000 in its life."""
