"""One life of a simulated runtime process: from its start to its end."""

from __future__ import annotations

from dataclasses import dataclass

from apps.runtime.simulated.clock import NS, Clock, epoch_seconds
from apps.runtime.simulated.waves import mixed


@dataclass(frozen=True, slots=True)
class Boot:
    """When and as what a runtime process started.

    ``generation`` is the number that ClientConnect answers: the monotonic clock
    at the start, so different after each restart.
    """

    number: int
    wall_ns: int
    mono_ns: int
    pid: int

    @property
    def generation(self) -> int:
        return self.mono_ns

    @property
    def start_s(self) -> float:
        """Start, in seconds since the simulation's epoch."""
        return epoch_seconds(self.wall_ns)

    def uptime_ns(self, clock: Clock) -> int:
        return clock.mono_ns() - self.mono_ns

    def now_s(self, clock: Clock) -> float:
        """Seconds since the epoch, by the monotonic clock: a stepped wall clock moves nothing."""
        return self.start_s + self.uptime_ns(clock) / NS


def boot_make(key: int, number: int, clock: Clock, *, uptime_s: float = 0.0) -> Boot:
    """A process that started ``uptime_s`` ago."""
    ago_ns = round(uptime_s * NS)
    return Boot(
        number=number,
        wall_ns=clock.wall_ns() - ago_ns,
        mono_ns=clock.mono_ns() - ago_ns,
        pid=2_000 + mixed(key, 70, number) % 60_000,
    )
