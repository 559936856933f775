"""The catalogue: which figures there are, in what unit, and how exactly they are kept.

A stored block names its metrics by their place in the kind's list. So the lists only ever
grow at their end: no entry moves, goes, or changes type, scale or meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from apps.history.errors import MetricUnknown

SUBJECT_KINDS = ("node", "worker", "block_device", "pool", "portal")


class MetricType(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    RATE = "rate"
    """Made when read, from the counter in `source`."""
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. `key` (``system.cpu_usage_pct``) names it everywhere outside."""

    kind: str
    name: str
    label: str
    unit: str
    """``pct``, ``bytes``, ``bytes/s``, ``1/s``, ``us``, ``mbps``, ``days`` or empty (a count)."""
    type: MetricType = MetricType.GAUGE
    scale: int = 1
    """1: whole numbers, kept exactly. n: floats, kept to the nearest 1/n."""
    source: str = ""

    @property
    def key(self) -> str:
        return f"{self.kind}.{self.name}"

    @property
    def resolution(self) -> float:
        """Stored values are off by no more than half of this; 0 for exact ones."""
        return 0.0 if self.scale == 1 else 1 / self.scale


def _gauge(name: str, label: str, unit: str = "", scale: int = 1) -> tuple[str, str, str, int]:
    return name, label, unit, scale


def _kind(
    kind: str,
    gauges: tuple[tuple[str, str, str, int], ...],
) -> tuple[Metric, ...]:
    return tuple(
        Metric(kind, name, label, unit, MetricType.GAUGE, scale)
        for name, label, unit, scale in gauges
    )


def _counter(kind: str, name: str, label: str, unit: str = "") -> Metric:
    return Metric(kind, name, label, unit, MetricType.COUNTER)


def _rate(kind: str, name: str, label: str, unit: str, source: str) -> Metric:
    return Metric(kind, name, label, unit, MetricType.RATE, source=source)


STATES = ("unknown", "alive", "suspect", "hung", "down")
"""Stored by place: grows at the end only."""

SYSTEM = _kind(
    "system",
    (
        _gauge("cpu_usage_pct", "CPU", "pct", 100),
        _gauge("ram_usage_pct", "RAM", "pct", 100),
        _gauge("ram_total_bytes", "RAM, total", "bytes"),
        _gauge("ram_available_bytes", "RAM, available", "bytes"),
        _gauge("gpu_count", "GPUs"),
        _gauge("gpu_usage_pct", "GPU", "pct", 100),
        _gauge("hbm_usage_pct", "HBM", "pct", 100),
        _gauge("hbm_used_bytes", "HBM, used", "bytes"),
        _gauge("hbm_total_bytes", "HBM, total", "bytes"),
        _gauge("is_leader", "Leader (1 or 0)"),
    ),
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A percentage whose parts are kept as well: stored as its distance from what they say.

    The four are places in the kind's list; the parts come behind the percentage.
    """

    place: int
    part: int
    whole: int
    rest: bool
    """The percentage is of what the part leaves of the whole."""
    scale: int
    """As of the metric at `place`."""


def _ratio(metrics: tuple[Metric, ...], name: str, part: str, whole: str, *, rest: bool) -> Ratio:
    places = {metric.name: place for place, metric in enumerate(metrics)}
    scale = metrics[places[name]].scale
    return Ratio(places[name], places[part], places[whole], rest, scale)


RATIOS: dict[str, tuple[Ratio, ...]] = {
    "system": (
        _ratio(SYSTEM, "ram_usage_pct", "ram_available_bytes", "ram_total_bytes", rest=True),
        _ratio(SYSTEM, "hbm_usage_pct", "hbm_used_bytes", "hbm_total_bytes", rest=False),
    ),
}
"""By kind. A block says itself which of these it uses: more can be added."""

WORKERS = (
    *_kind(
        "workers",
        (
            _gauge("count", "Workers"),
            _gauge("num_running", "Workers, running"),
            _gauge("num_active", "Workers, active"),
            _gauge("num_queued_tasks", "Queued tasks"),
            _gauge("num_blocked_tasks", "Blocked tasks"),
            _gauge("num_periodic_tasks", "Periodic tasks"),
            _gauge("num_retry_tasks", "Tasks to retry"),
            _gauge("load_us", "Predicted queued work", "us", 100),
        ),
    ),
    _counter("workers", "num_tasks_processed", "Processed tasks"),
)
WORKER = (
    *_kind(
        "worker",
        (
            _gauge("is_running", "Running (1 or 0)"),
            _gauge("is_active", "Active (1 or 0)"),
            _gauge("num_queued_tasks", "Queued tasks"),
            _gauge("num_blocked_tasks", "Blocked tasks"),
            _gauge("num_periodic_tasks", "Periodic tasks"),
            _gauge("num_retry_tasks", "Tasks to retry"),
            _gauge("suspend_period_us", "Suspend period", "us"),
            _gauge("load_us", "Predicted queued work", "us", 100),
        ),
    ),
    _counter("worker", "num_tasks_processed", "Processed tasks"),
    _counter("worker", "idle_iterations", "Idle iterations"),
)
BLOCK_DEVICE = (
    *_kind(
        "block_device",
        (
            _gauge("total_capacity", "Capacity", "bytes"),
            _gauge("remaining_capacity", "Capacity, remaining", "bytes"),
            _gauge("read_bandwidth_mbps", "Read bandwidth, predicted", "mbps", 100),
            _gauge("write_bandwidth_mbps", "Write bandwidth, predicted", "mbps", 100),
            _gauge("read_latency_us", "Read latency, predicted", "us", 100),
            _gauge("write_latency_us", "Write latency, predicted", "us", 100),
            _gauge("iops", "IOPS, predicted", "1/s", 100),
            _gauge("predicted_ttl_days", "Predicted time to live", "days"),
        ),
    ),
    _counter("block_device", "total_reads", "Reads"),
    _counter("block_device", "total_writes", "Writes"),
    _counter("block_device", "total_bytes_read", "Bytes read", "bytes"),
    _counter("block_device", "total_bytes_written", "Bytes written", "bytes"),
)
CONTAINERS = _kind(
    "containers",
    (_gauge("containers", "Containers"), _gauge("pools", "Pools")),
)
STATE = (Metric("state", "state", "State", "", MetricType.STATE),)

KINDS: dict[str, tuple[Metric, ...]] = {
    "system": SYSTEM,
    "workers": WORKERS,
    "worker": WORKER,
    "block_device": BLOCK_DEVICE,
    "containers": CONTAINERS,
    "state": STATE,
}
"""Stored metrics by kind, in the order of their places."""

RATES = (
    _rate("workers", "tasks_per_s", "Processed tasks", "1/s", "num_tasks_processed"),
    _rate("worker", "tasks_per_s", "Processed tasks", "1/s", "num_tasks_processed"),
    _rate("worker", "idle_iterations_per_s", "Idle iterations", "1/s", "idle_iterations"),
    _rate("block_device", "reads_per_s", "Reads", "1/s", "total_reads"),
    _rate("block_device", "writes_per_s", "Writes", "1/s", "total_writes"),
    _rate("block_device", "read_bytes_per_s", "Read", "bytes/s", "total_bytes_read"),
    _rate("block_device", "write_bytes_per_s", "Written", "bytes/s", "total_bytes_written"),
)

CATALOGUE: dict[str, Metric] = {
    metric.key: metric for metric in (*(one for kind in KINDS.values() for one in kind), *RATES)
}
"""All that can be asked for, by key."""

SUBJECT_KIND_OF = {
    "system": "node",
    "workers": "node",
    "worker": "worker",
    "block_device": "block_device",
    "containers": "node",
    "state": "node",
}
"""Which subjects have figures of a kind (states: nodes, and the portal itself)."""


def metric_get(key: str) -> Metric:
    """The metric of that key. Raises MetricUnknown (400)."""
    try:
        return CATALOGUE[key]
    except KeyError:
        raise MetricUnknown(key, tuple(CATALOGUE)) from None


def place_of(metric: Metric) -> int:
    """Where a stored metric, or the source of a rate, lies in its kind's list."""
    name = metric.source or metric.name
    return next(i for i, one in enumerate(KINDS[metric.kind]) if one.name == name)
