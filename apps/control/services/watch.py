"""What became of the node: direct looks at its runtime, until the goal is seen."""

from __future__ import annotations

from dataclasses import dataclass

from apps.runtime.client import RuntimeClient
from apps.runtime.errors import RuntimeFailure, RuntimeRefused
from apps.runtime.queries import HOST_INFO
from apps.runtime.types import Reachability, Target

REACH_DEADLINE_S = 1.0
ANSWER_DEADLINE_S = 3.0
FIRST_ANSWER_DEADLINE_S = 6.0
"""A connection to a 2.2 runtime takes 5 s until its generation is proven."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The node at one instant."""

    reach: Reachability
    answered: bool
    boot: int | None
    """Generation number of the process that answered; ``None``: no answer, or not told."""
    sentence: str

    @property
    def is_down(self) -> bool:
        """No runtime listens: proven, not guessed from silence."""
        return self.reach is Reachability.REFUSED


def node_see(client: RuntimeClient, target: Target, *, deadline_s: float) -> Seen:
    """Connect, and ask when somebody listens. Never raises for what the node does."""
    reach = client.reachability(target, deadline_s=REACH_DEADLINE_S)
    if reach is Reachability.REFUSED:
        return Seen(reach, False, None, "It refuses connections: no runtime listens.")
    if reach is Reachability.UNREACHABLE:
        return Seen(reach, False, None, "It can't be reached: no answer to a TCP connect.")
    try:
        answer = client.monitor(target, HOST_INFO, deadline_s=deadline_s)
    except RuntimeRefused as refusal:
        # An answer all the same: the process lives.
        return Seen(reach, True, None, f"It answers, but refuses: {refusal.message}")
    except RuntimeFailure as failure:
        return Seen(reach, False, None, f"It accepts connections. {failure.message}")
    boot = answer.boot
    of = "" if boot is None else f", boot {boot}"
    return Seen(reach, True, boot, f"It answers{of}.")
