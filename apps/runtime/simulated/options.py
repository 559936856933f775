"""How many simulated nodes, where they listen, and what they are made of."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import StrEnum

from apps.runtime.simulated.profile import Fleet
from apps.runtime.types import WireGeneration

DEFAULT_PORT = 29_413
"""Away from a real runtime's 9413: that one binds every address of the machine."""

PER_NET = 250
MAX_NODES = 200 * PER_NET


class Placement(StrEnum):
    """How nodes on one machine are told apart."""

    ADDRESSES = "addresses"
    """Each node has a loopback address of its own (127.1.x.y) and the same port. Linux."""
    PORTS = "ports"
    """All on one host, ``port_step`` apart."""


def placement_default() -> Placement:
    """Only Linux answers on all of 127/8 without being told to."""
    return Placement.ADDRESSES if sys.platform == "linux" else Placement.PORTS


@dataclass(frozen=True, slots=True)
class SimOptions:
    """A simulated cluster. Raises ValueError on what can't be."""

    nodes: int = 4
    seed: int = 7
    generation: WireGeneration = WireGeneration.V2_3
    placement: Placement = field(default_factory=placement_default)
    host: str = "127.0.0.1"
    """With `Placement.PORTS`: the one host."""
    port: int = DEFAULT_PORT
    """``networking.port`` of node 0; 0: any free one, for each node its own."""
    port_step: int = 10
    ring_length: int = 1_100
    uptime_s: float = 60.0
    """How long the nodes have been up when the simulation starts."""
    peer_timeout_s: float = 45.0
    """What the first call through a dead peer waits, as with a real runtime."""
    io_threads: int = 1
    fleet: Fleet = field(default_factory=Fleet)

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= MAX_NODES:
            raise ValueError(f"nodes must be 1..{MAX_NODES}, got {self.nodes}")
        if self.ring_length < 1_024:
            raise ValueError(f"a runtime's ring holds at least 1024, got {self.ring_length}")
        if self.uptime_s < 0:
            raise ValueError(f"uptime_s must not be negative, got {self.uptime_s}")
        last = self.port_of(self.nodes - 1) + 3
        if last > 65_535:
            raise ValueError(
                f"node {self.nodes - 1} would listen on port {last}; use a smaller --port or "
                "--port-step, or an address per node"
            )

    def host_of(self, node_id: int) -> str:
        if self.placement is Placement.PORTS:
            return self.host
        return f"127.1.{node_id // PER_NET}.{1 + node_id % PER_NET}"

    def port_of(self, node_id: int) -> int:
        """The port asked for; 0 where any will do."""
        if self.port == 0 or self.placement is Placement.ADDRESSES:
            return self.port
        return self.port + node_id * self.port_step
