"""The one way to a runtime. `wire` and `native` implement it; everything else uses it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from apps.runtime.types import (
    CONNECTIONS_LOW,
    Answer,
    Connection,
    HostInfo,
    Reachability,
    Route,
    Target,
    WireGeneration,
)

DEFAULT_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How a client reaches runtimes; filled from the settings by whoever builds one."""

    generation: WireGeneration | None = None
    """Force a wire generation; ``None`` detects it."""
    allow_legacy_probe: bool = False
    """Permit the 2.0 probe, which can hang a 2.2 or 2.3 runtime. Never on by default."""
    dialback_host: str | None = None
    """The portal's address that runtimes dial back to; ``None`` finds it per target."""
    dialback_ports: tuple[int, int] | None = None
    """Inclusive range of ports to listen on for answers (firewalls); ``None``: any free one."""
    handshake_s: float = 3.0
    pairs_warn_at: int = CONNECTIONS_LOW
    """Warn when this many of a 2.2 runtime's 1,000 (identity, port) pairs are spent."""


class RuntimeClient(Protocol):
    """Speaks to many runtimes. Thread-safe. Every method that waits takes a deadline.

    Errors are those of `apps.runtime.errors`; a future fails with the same.
    """

    def monitor_submit(
        self,
        target: Target,
        query: str,
        *,
        route: Route = Route.local(),  # noqa: B008 - frozen value
        deadline_s: float = DEFAULT_DEADLINE_S,
    ) -> Future[Answer]:
        """Send a monitor query now; the future ends by the deadline at the latest."""
        ...

    def monitor(
        self,
        target: Target,
        query: str,
        *,
        route: Route = Route.local(),  # noqa: B008 - frozen value
        deadline_s: float = DEFAULT_DEADLINE_S,
    ) -> Answer:
        """Ask and wait. Raises RuntimeUnreachable, RuntimeTimedOut, RuntimeRefused, …"""
        ...

    def stop(self, target: Target, *, grace_ms: int, deadline_s: float) -> None:
        """Ask the runtime to stop. Sent only over a live connection, never queued."""
        ...

    def host_info(self, target: Target, *, deadline_s: float = DEFAULT_DEADLINE_S) -> HostInfo: ...

    def reachability(self, target: Target, *, deadline_s: float = 1.0) -> Reachability:
        """A bare TCP connect to the client port; sends nothing."""
        ...

    def connection(self, target: Target) -> Connection:
        """What is known now; never waits, never sends."""
        ...

    def forget(self, target: Target) -> None:
        """Drop the connection to a target that has left the cluster."""
        ...

    def close(self) -> None:
        """Close every connection; pending futures fail with ClientClosed. Idempotent."""
        ...


PairsObserver = Callable[[Connection], None]
"""Called when a 2.2 runtime's spent pairs pass the warning line."""
