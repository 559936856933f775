"""One node of a simulated cluster, as tests and the control channel hold it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from apps.runtime.simulated.faults import Fault, Value
from apps.runtime.simulated.node import Condition, SimNode
from apps.runtime.types import Target


class Cluster(Protocol):
    """What a handle needs of the server."""

    def target(self, node_id: int) -> Target: ...

    def node_change(self, node_id: int, change: Callable[[SimNode], None]) -> None: ...

    def node_restart(self, node_id: int, down_s: float) -> None: ...


class NodeHandle:
    """One node, for any thread: set its faults, restart it, read what reached it."""

    def __init__(self, cluster: Cluster, node: SimNode) -> None:
        self._cluster = cluster
        self.node_id = node.node_id
        self.sim = node
        """The node itself, to read: `seen`, `condition`, `pairs_spent`, `life.boot`."""

    @property
    def target(self) -> Target:
        return self._cluster.target(self.node_id)

    def fault(self, fault: Fault, **values: Value) -> None:
        """Set a fault from now on. Raises ValueError for a parameter it does not have."""
        self._cluster.node_change(self.node_id, lambda node: node.fault_set(fault, values))

    def clear(self, fault: Fault | None = None) -> None:
        """Clear one fault, or all. A hung node then answers what it held."""
        self._cluster.node_change(self.node_id, lambda node: node.fault_clear(fault))

    def restart(self, *, down_s: float = 0.0) -> None:
        """End the process and start a new one ``down_s`` later: event ids from 0."""
        self._cluster.node_restart(self.node_id, down_s)

    def stop(self) -> None:
        """End the process, as `clio_run stop` would; `restart` brings it back."""

        def end(node: SimNode) -> None:
            node.condition = Condition.STOPPED

        self._cluster.node_change(self.node_id, end)
