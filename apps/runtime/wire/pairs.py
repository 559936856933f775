"""How many (identity, port) pairs were spent on one runtime process.

A 2.2 runtime serves 1,000 of them in its life and refuses every new client after. Each
connection spends one, so in a normal life of the portal it is one in all.
Pairs of other clients, and of earlier runs of the portal, can't be seen.
"""

from __future__ import annotations

import time

from apps.runtime.errors import RuntimeUnreachable
from apps.runtime.types import CONNECTIONS_SERVED, Target, WireGeneration

SERVED = CONNECTIONS_SERVED
SPEND_FREELY = 950
SPEND_AT_MOST = 990
SPARING_S = 600.0
"""Between two connections once `SPEND_FREELY` are gone: enough to notice a restart."""


class PairsBudget:
    """Pairs that this client has spent on the runtime process it last saw."""

    def __init__(self) -> None:
        self.spent = 0
        self._spent_at = time.monotonic()
        self._warned = False

    def spend(self) -> None:
        self.spent += 1
        self._spent_at = time.monotonic()

    def process_renewed(self) -> None:
        """The runtime was restarted: only the connection just made counts."""
        self.spent = 1
        self._warned = False

    def allows(self, generation: WireGeneration | None) -> bool:
        """Whether one more may be spent on a runtime last known as ``generation``."""
        if generation is not WireGeneration.V2_2 or self.spent < SPEND_FREELY:
            return True
        rested = time.monotonic() - self._spent_at >= SPARING_S
        return rested and self.spent < SPEND_AT_MOST

    def warns(self, generation: WireGeneration, warn_at: int) -> bool:
        """Whether it is time to warn; true once for each process."""
        due = generation is WireGeneration.V2_2 and self.spent >= warn_at and not self._warned
        self._warned = self._warned or due
        return due

    def exhausted(self, target: Target) -> RuntimeUnreachable:
        return RuntimeUnreachable(
            f"{target}: {self.spent} of the {SERVED:,} connections that a 2.2 runtime serves in "
            "its life are spent; the portal saves the rest.",
            remedy="Restart that runtime, then the portal; or update the runtime to 2.3.",
        )
