"""Evidence → the state of a node, and the sentence that says why. Pure functions.

What counts, in this order:

=========  ==========================================================================
unknown    never asked, or the evidence is too old to be believed
alive      it answered, and owes nothing
down       TCP is refused (seen twice, or once when its connection broke as well), or
           it is silent for ``down_after_s`` and can't be reached
hung       TCP is accepted, and two questions or more went unanswered for
           ``hung_after_s``
suspect    it owes an answer for ``suspect_after_s`` (longer when its recent answers were
           slow, so that a slow node does not flap), or refused a connection once
alive      it owes an answer for less than that
unknown    the same, but it has never answered
=========  ==========================================================================

TCP alone is never a sign of life: a paused process accepts connections for a while. An
answer is one at once, however late, and clears everything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from apps.runtime.errors import RuntimeTimedOut, RuntimeUnreachable, WrongGeneration
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
    unanswered_for_hung: int = 2
    down_after_s: float = 8.0
    refusals_for_down: int = 2
    """TCP connects in a row that must find the same; one is enough when the client's
    connection broke, too."""
    stale_after_s: float = 60.0
    """Nothing observed for longer than this is no knowledge. Keep it at several intervals."""
    probe_after_s: float = 0.5
    """A node that owes an answer for this long gets a bare TCP connect; one whose question
    has failed gets it at once."""
    probe_every_s: float = 1.5
    probe_cap_s: float = 20.0
    probe_rarely_after: int = 40
    """A listen queue holds about 100 connections, and a paused runtime takes none off. After so
    many that were accepted for nothing there is one every ``probe_rarely_s``."""
    probe_rarely_s: float = 300.0


DEFAULT_POLICY = LivenessPolicy()


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
    seen = replace(evidence, observed_at=_latest(evidence.observed_at, outcome.settled_at))
    if outcome.sign_of_life:
        return _answered(seen, outcome)
    failure = outcome.failure
    if not isinstance(failure, RuntimeTimedOut | RuntimeUnreachable | WrongGeneration):
        # The portal's own trouble (it is closing, or has a fault) tells nothing of the node.
        return evidence if failure is None else replace(evidence, failure=failure.message)
    if evidence.last_answer_at is not None and outcome.asked_at <= evidence.last_answer_at:
        return seen
    return replace(
        seen,
        silent_since=_earliest(evidence.silent_since, outcome.asked_at),
        unanswered=evidence.unanswered + 1,
        connection_broken=evidence.connection_broken or isinstance(failure, RuntimeUnreachable),
        generation_unproven=isinstance(failure, WrongGeneration),
        failure=failure.message,
    )


def evidence_with_pending(
    evidence: Evidence, pending_since: datetime | None, *, at: datetime
) -> Evidence:
    """The evidence after a round: ``pending_since`` is ``Round.pending.get(target)``."""
    if pending_since is None:
        # The usual case of a node that answers; a thousand of them come by each round.
        settled = evidence.pending_since is None
        return evidence if settled else replace(evidence, pending_since=None)
    observed_at = _latest(evidence.observed_at, at)
    return replace(evidence, pending_since=pending_since, observed_at=observed_at)


def evidence_with_reach(evidence: Evidence, reach: Reachability, *, at: datetime) -> Evidence:
    """The evidence after a bare TCP connect (see `reach.probe_many`)."""
    same = evidence.reach is reach
    return replace(
        evidence,
        observed_at=_latest(evidence.observed_at, at),
        reach=reach,
        reach_since=evidence.reach_since if same else at,
        reach_count=evidence.reach_count + 1 if same else 1,
        probed_at=at,
    )


def probe_due(evidence: Evidence, *, at: datetime, policy: LivenessPolicy = DEFAULT_POLICY) -> bool:
    """Is a bare TCP connect worth making now? Only for nodes that owe an answer.

    A paused process never takes a connection off its listen queue: once it is known to
    accept, it is probed less and less, so that the portal does not fill that queue.
    """
    owed = owed_since(evidence)
    if owed is None:
        return False
    if not evidence.unanswered and _seconds(owed, at) < policy.probe_after_s:
        return False
    if evidence.probed_at is None:
        return True
    gap_s = policy.probe_every_s
    if evidence.reach is Reachability.ACCEPTS:
        # The exponent is bounded, or a node that hangs for a day overflows the power.
        gap_s = min(gap_s * 2.0 ** min(evidence.reach_count - 1, 16), policy.probe_cap_s)
        if evidence.reach_count > policy.probe_rarely_after:
            gap_s = policy.probe_rarely_s
    return _seconds(evidence.probed_at, at) >= gap_s


def owed_since(evidence: Evidence) -> datetime | None:
    """When the oldest question was asked after the last answer that has none yet."""
    pending = evidence.pending_since
    answered = evidence.last_answer_at
    if pending is not None and answered is not None and pending <= answered:
        # Another kind of question was answered meanwhile: this one is slow, not the node.
        pending = None
    return _earliest(evidence.silent_since, pending)


def verdict(
    evidence: Evidence, *, at: datetime, policy: LivenessPolicy = DEFAULT_POLICY
) -> Verdict:
    """State and reason at ``at``. The same evidence and time always give the same verdict."""
    if evidence.observed_at is None:
        return Verdict(NodeState.UNKNOWN, evidence.failure or "It has not been asked yet.")
    age_s = _seconds(evidence.observed_at, at)
    if age_s > policy.stale_after_s:
        return Verdict(NodeState.UNKNOWN, f"It was last looked at {_span(age_s)} ago.")
    owed = owed_since(evidence)
    if owed is None:
        return _without_debt(evidence, at)
    silence_s = _seconds(owed, at)
    return (
        _down(evidence, silence_s, policy)
        or _hung(evidence, silence_s, at, policy)
        or _late(evidence, silence_s, at, policy)
    )


def _answered(evidence: Evidence, outcome: Outcome) -> Evidence:
    slowest_s = max(outcome.latency_s, evidence.slowest_recent_s * PATIENCE_DECAY)
    answered_at = _latest(evidence.last_answer_at, outcome.settled_at)
    if evidence.silent_since is not None and evidence.silent_since > outcome.settled_at:
        # An answer from before the silence, told only now.
        return replace(evidence, last_answer_at=answered_at, slowest_recent_s=slowest_s)
    return Evidence(
        observed_at=evidence.observed_at,
        last_answer_at=answered_at,
        pending_since=evidence.pending_since,
        slowest_recent_s=slowest_s,
    )


def _without_debt(evidence: Evidence, at: datetime) -> Verdict:
    if evidence.last_answer_at is None:
        return Verdict(NodeState.UNKNOWN, evidence.failure or "It has not been asked yet.")
    ago = _span(_seconds(evidence.last_answer_at, at))
    return Verdict(NodeState.ALIVE, f"It answered {ago} ago.")


def _down(evidence: Evidence, silence_s: float, policy: LivenessPolicy) -> Verdict | None:
    if evidence.reach is Reachability.REFUSED:
        if evidence.reach_count >= policy.refusals_for_down or evidence.connection_broken:
            return Verdict(
                NodeState.DOWN, "It refuses connections: no runtime listens on its port."
            )
        return Verdict(NodeState.SUSPECT, "It refused a connection; looking once more.")
    if (
        evidence.reach is Reachability.UNREACHABLE
        and evidence.reach_count >= policy.refusals_for_down
        and silence_s >= policy.down_after_s
    ):
        return Verdict(
            NodeState.DOWN, f"It has been silent for {_span(silence_s)} and can't be reached."
        )
    return None


def _hung(
    evidence: Evidence, silence_s: float, at: datetime, policy: LivenessPolicy
) -> Verdict | None:
    if evidence.reach is not Reachability.ACCEPTS or silence_s < policy.hung_after_s:
        return None
    overdue = (
        evidence.pending_since is not None
        and _seconds(evidence.pending_since, at) >= policy.suspect_after_s
    )
    if evidence.unanswered + overdue < policy.unanswered_for_hung:
        return None
    if evidence.generation_unproven and evidence.last_answer_at is None:
        # It may be healthy, and speak a generation that we must not try unasked.
        return Verdict(NodeState.UNKNOWN, evidence.failure or "Its generation is not known.")
    return Verdict(
        NodeState.HUNG,
        f"It accepts connections and has not answered for {_span(silence_s)}.",
    )


def _late(evidence: Evidence, silence_s: float, at: datetime, policy: LivenessPolicy) -> Verdict:
    patience_s = max(policy.suspect_after_s, evidence.slowest_recent_s * PATIENCE_FACTOR)
    if silence_s >= min(patience_s, policy.hung_after_s):
        told = f" {evidence.failure}" if evidence.failure else ""
        return Verdict(NodeState.SUSPECT, f"It has not answered for {_span(silence_s)}.{told}")
    if evidence.last_answer_at is None:
        return Verdict(NodeState.UNKNOWN, "It has been asked and has not answered yet.")
    ago = _span(_seconds(evidence.last_answer_at, at))
    return Verdict(NodeState.ALIVE, f"It answered {ago} ago, and the next answer is due.")


def _latest(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    known = [moment for moment in (one, other) if moment is not None]
    return min(known) if known else None


def _seconds(since: datetime, at: datetime) -> float:
    return max((at - since).total_seconds(), 0.0)


def _span(seconds: float) -> str:
    """A length of time for people: ``0.4 s``, ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
