"""Rounds → evidence → verdicts, for all nodes of a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from apps.runtime.liveness import (
    DEFAULT_POLICY,
    Evidence,
    LivenessPolicy,
    Verdict,
    evidence_with_outcome,
    evidence_with_pending,
    evidence_with_reach,
    probe_due,
    verdict,
)
from apps.runtime.reach import probe_many
from apps.runtime.scatter import Round
from apps.runtime.types import Reachability, Target

Prober = Callable[[Iterable[Target]], Mapping[Target, Reachability]]


class Watch:
    """Keeps the evidence of every node between rounds. Thread-safe.

    Feed the round of every kind to `observe`; ask `verdicts` when the states are wanted,
    which makes the bare TCP connects to the nodes that owe an answer.
    """

    def __init__(
        self, *, policy: LivenessPolicy = DEFAULT_POLICY, prober: Prober = probe_many
    ) -> None:
        self._policy = policy
        self._prober = prober
        self._evidence: dict[Target, Evidence] = {}
        self._pending: dict[str, Mapping[Target, datetime]] = {}
        self._lock = threading.Lock()

    def reset(self) -> None:
        """Forget all evidence: its times no longer mean anything."""
        with self._lock:
            self._evidence.clear()
            self._pending.clear()

    def observe(self, done: Round) -> None:
        """Take in what a round found out: what settled, and what is still under way."""
        with self._lock:
            self._pending[done.kind] = done.pending
            for outcome in done.outcomes:
                known = self._known(outcome.target)
                self._evidence[outcome.target] = evidence_with_outcome(known, outcome)
            for target in set(self._evidence) | set(done.pending):
                known = self._known(target)
                since = self._pending_since(target, known)
                self._evidence[target] = evidence_with_pending(known, since, at=done.ended_at)

    def verdicts(self, targets: Iterable[Target], *, at: datetime) -> dict[Target, Verdict]:
        """The state of each target, after a TCP connect to those for which one is due.

        Blocks for as long as the prober takes, half a second at the most. Evidence of
        nodes that are not among ``targets`` is dropped.
        """
        with self._lock:
            self._evidence = {target: self._known(target) for target in targets}
            due = [
                target
                for target, known in self._evidence.items()
                if probe_due(known, at=at, policy=self._policy)
            ]
        found = self._prober(due) if due else {}
        with self._lock:
            for target, reach in found.items():
                self._evidence[target] = evidence_with_reach(self._known(target), reach, at=at)
            return {
                target: verdict(known, at=at, policy=self._policy)
                for target, known in self._evidence.items()
            }

    def evidence(self, target: Target) -> Evidence:
        with self._lock:
            return self._known(target)

    def _known(self, target: Target) -> Evidence:
        return self._evidence.get(target, Evidence())

    def _pending_since(self, target: Target, known: Evidence) -> datetime | None:
        """The oldest question under way, of any kind, that was asked after the last answer."""
        asked = [pending[target] for pending in self._pending.values() if target in pending]
        answered = known.last_answer_at
        return min((one for one in asked if answered is None or one > answered), default=None)
