"""Evidence → the state of a node, and the sentence that says why. Pure functions.

What counts, in this order:

=========  ==========================================================================
unknown    never asked, no verdict yet after the first question, or evidence too old
alive      it answered, and owes no answer for longer than its patience
down       TCP is refused (seen twice, or once when its connection broke as well), or
           can't be reached for ``down_after_s``
hung       TCP is accepted, and two questions or more went unanswered for
           ``hung_after_s``
suspect    it owes an answer for longer than its patience: no verdict yet
=========  ==========================================================================

TCP alone is never a sign of life: a paused process accepts connections for a while. An
answer is one at once, however late, and clears everything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apps.runtime.errors import (
    ClientClosed,
    RuntimeUnreachable,
    WrongGeneration,
)
from apps.runtime.scatter import Outcome
from apps.runtime.types import NodeState, Reachability

PATIENCE_FACTOR = 1.5
PATIENCE_DECAY = 0.9


@dataclass(frozen=True, slots=True)
class LivenessPolicy:
    """When silence means what; all in seconds.

    A busy machine answers one call in a hundred in 1 to 2.6 s: ``suspect_after_s`` lies
    above that.
    """

    suspect_after_s: float = 3.0
    hung_after_s: float = 10.0
    down_after_s: float = 4.0
    refusals_for_down: int = 2
    stale_after_s: float = 60.0
    """Nothing observed for longer than this is no knowledge. Keep it at several intervals."""
    probe_every_s: float = 2.0
    probe_cap_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What has been seen of one node. Begin with ``Evidence()``; add with the functions below."""

    observed_at: datetime | None = None
    """The last time that anything at all was seen or tried."""
    last_answer_at: datetime | None = None
    silent_since: datetime | None = None
    """When the first question was asked that it still owes, or never answered."""
    unanswered: int = 0
    """Questions that ended without an answer since the last answer."""
    pending_since: datetime | None = None
    """When the oldest question was asked that is still under way."""
    slowest_recent_s: float = 0.0
    """The slowest of the recent answers, fading: a slow node is given more patience."""
    connection_broken: bool = False
    """The client lost or could not make its connection, after the last answer."""
    generation_unproven: bool = False
    failure: str | None = None
    """What the last failed question said."""
    reach: Reachability | None = None
    """What the last bare TCP connect after the last answer found."""
    reach_since: datetime | None = None
    """Since when TCP connects find the same."""
    reach_count: int = 0
    probed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    state: NodeState
    reason: str
    """One sentence for people."""


def evidence_with_outcome(evidence: Evidence, outcome: Outcome) -> Evidence:
    """The evidence after one question ended. Feed outcomes of every kind, in any order."""
    raise NotImplementedError


def evidence_with_pending(
    evidence: Evidence, pending_since: datetime | None, *, at: datetime
) -> Evidence:
    """The evidence after a round: ``pending_since`` is ``Round.pending.get(target)``."""
    raise NotImplementedError


def evidence_with_reach(evidence: Evidence, reach: Reachability, *, at: datetime) -> Evidence:
    """The evidence after a bare TCP connect (see `reach.probe_many`)."""
    raise NotImplementedError


def probe_due(
    evidence: Evidence,
    *,
    at: datetime,
    policy: LivenessPolicy = LivenessPolicy(),  # noqa: B008
) -> bool:
    """Is a bare TCP connect worth making now? Only for nodes that owe an answer."""
    raise NotImplementedError


def verdict(
    evidence: Evidence,
    *,
    at: datetime,
    policy: LivenessPolicy = LivenessPolicy(),  # noqa: B008
) -> Verdict:
    """State and reason at ``at``. The same evidence and time always give the same verdict."""
    raise NotImplementedError
