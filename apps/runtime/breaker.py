"""A circuit breaker per node: a node that does not answer is asked less and less often.

Automaton of one node::

    CLOSED ──n failures in a row──▶ OPEN ──interval over──▶ HALF_OPEN (one probe under way)
      ▲                              ▲                          │
      └──────────── answer ──────────┼──────────────────────────┤
                                     └──── failure: interval grows

Only silence (`RuntimeTimedOut`, `WrongGeneration`) makes the interval grow. A node that
can't be reached costs nothing to try, so its probe is due at once: it is seen again within
one polling interval. The breaker is shared by all kinds of questions: whichever finds the
node silent spares the others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from apps.runtime.errors import RuntimeFailure, RuntimeUnreachable
from apps.runtime.types import Target


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Admission(StrEnum):
    """May this node be asked? ``PROBE``: yes, once, and do not wait long for it."""

    ASK = "ask"
    PROBE = "probe"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """``probe_s`` doubles with each failed probe, up to ``probe_cap_s``."""

    failures_to_open: int = 3
    probe_s: float = 2.0
    probe_cap_s: float = 10.0


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    state: BreakerState = BreakerState.CLOSED
    probe_at: datetime | None = None
    probe_s: float | None = None


class Breaker:
    """The circuits of all nodes. Thread-safe."""

    def __init__(self, policy: BreakerPolicy = BreakerPolicy()) -> None:
        self._policy = policy
        self._circuits: dict[Target, _Circuit] = {}
        self._lock = threading.Lock()

    def state(self, target: Target) -> BreakerState:
        with self._lock:
            circuit = self._circuits.get(target)
            return BreakerState.CLOSED if circuit is None else circuit.state

    def probe_at(self, target: Target) -> datetime | None:
        """When an open circuit may be tried next; ``None`` when it is closed or being tried."""
        with self._lock:
            circuit = self._circuits.get(target)
            return None if circuit is None else circuit.probe_at

    def is_failing(self, target: Target) -> bool:
        """Has the node failed since its last answer? Then a round does not wait for it."""
        with self._lock:
            return target in self._circuits

    def admit(self, target: Target, *, at: datetime) -> Admission:
        """Ask for leave. ``PROBE`` takes the node's one probe: report how it ended."""
        with self._lock:
            circuit = self._circuits.get(target)
            if circuit is None or circuit.state is BreakerState.CLOSED:
                return Admission.ASK
            due = circuit.probe_at is not None and at >= circuit.probe_at
            if circuit.state is BreakerState.HALF_OPEN or not due:
                return Admission.REFUSE
            circuit.state = BreakerState.HALF_OPEN
            circuit.probe_at = None
            return Admission.PROBE

    def answered(self, target: Target) -> None:
        """The node answered, if only with an error of its own: closed at once."""
        with self._lock:
            self._circuits.pop(target, None)

    def failed(
        self, target: Target, failure: RuntimeFailure, *, at: datetime, probe: bool = False
    ) -> None:
        """No answer came. ``probe``: the question was the node's one probe."""
        with self._lock:
            circuit = self._circuits.setdefault(target, _Circuit())
            circuit.failures += 1
            if circuit.state is not BreakerState.CLOSED and not probe:
                # It was asked before the circuit opened, and tells nothing new.
                return
            if circuit.failures >= self._policy.failures_to_open:
                self._open(circuit, failure, at)

    def abandoned(self, target: Target, *, at: datetime) -> None:
        """A probe ended without telling anything: another one is due at once."""
        with self._lock:
            circuit = self._circuits.get(target)
            if circuit is not None and circuit.state is BreakerState.HALF_OPEN:
                circuit.state = BreakerState.OPEN
                circuit.probe_at = at

    def retain(self, targets: Iterable[Target]) -> None:
        """Forget every node that is not among ``targets``."""
        kept = frozenset(targets)
        with self._lock:
            for target in [one for one in self._circuits if one not in kept]:
                del self._circuits[target]

    def _open(self, circuit: _Circuit, failure: RuntimeFailure, at: datetime) -> None:
        circuit.state = BreakerState.OPEN
        if isinstance(failure, RuntimeUnreachable):
            circuit.probe_at = at
            return
        previous = circuit.probe_s
        grown = self._policy.probe_s if previous is None else previous * 2
        circuit.probe_s = min(grown, self._policy.probe_cap_s)
        circuit.probe_at = at + timedelta(seconds=circuit.probe_s)
