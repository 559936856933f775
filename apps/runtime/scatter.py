"""Ask all nodes at once; a slow one costs its own deadline and nothing else.

A round sends, waits a little, and returns with what has come. What has not come yet stays
outstanding, and comes with the next round of its kind, whether as a late answer or as a
timeout. A node never has more than one outstanding question of a kind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.runtime.breaker import Admission, Breaker
from apps.runtime.client import DEFAULT_DEADLINE_S, RuntimeClient
from apps.runtime.errors import (
    ClientClosed,
    ContractBroken,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimedOut,
)
from apps.runtime.types import Answer, Target

DEFAULT_BUDGET_S = 1.5
"""How long a round waits for answers; keep it below the polling interval."""

PROBE_BUDGET_S = 0.25
"""How long a round waits for nodes that have failed since their last answer."""


@dataclass(frozen=True, slots=True)
class Ask:
    target: Target
    query: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one question ended: exactly one of ``answer`` and ``failure`` is there.

    ``settled_at - asked_at`` is ``latency_s``, by the monotonic clock. ``late``: it came
    after the round that asked had returned.
    """

    kind: str
    target: Target
    query: str
    asked_at: datetime
    settled_at: datetime
    latency_s: float
    late: bool
    answer: Answer | None = None
    failure: RuntimeFailure | None = None

    @property
    def answered_at(self) -> datetime | None:
        """When the answer came; ``None`` when none came."""
        return None if self.answer is None else self.settled_at

    @property
    def sign_of_life(self) -> bool:
        """Did the runtime say anything at all? An error of its own is an answer, too."""
        return self.answer is not None or isinstance(self.failure, RuntimeRefused | ContractBroken)


@dataclass(frozen=True, slots=True)
class Round:
    """What is known when a round returns. The three groups do not overlap in questions:
    a node can be both settled (an earlier question) and pending (this round's).
    """

    kind: str
    at: datetime
    """When the round was begun."""
    ended_at: datetime
    outcomes: tuple[Outcome, ...]
    """Settled since the last round of this kind, late ones included, oldest question first."""
    pending: Mapping[Target, datetime]
    """Asked and not settled yet → when it was asked."""
    refused: tuple[Target, ...]
    """Not asked: the breaker is open."""

    @property
    def answers(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.answer is not None)

    @property
    def failures(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.failure is not None)


@dataclass(slots=True)
class _Wait:
    """How many of a round's questions are still open; the last one wakes the round."""

    patient: int = 0
    impatient: int = 0

    def is_last(self, *, patient: bool) -> bool:
        """Count one question off; was it the last one of its group?"""
        if patient:
            self.patient -= 1
            return self.patient == 0
        self.impatient -= 1
        return self.impatient == 0


@dataclass(slots=True, eq=False)
class _Question:
    """One question under way."""

    kind: str
    ask: Ask
    asked_at: datetime
    asked_mono: float
    deadline_s: float
    admission: Admission
    patient: bool
    wait: _Wait
    late: bool = False

    def outcome(
        self, settled_mono: float, answer: Answer | None, failure: RuntimeFailure | None
    ) -> Outcome:
        latency_s = max(settled_mono - self.asked_mono, 0.0)
        return Outcome(
            kind=self.kind,
            target=self.ask.target,
            query=self.ask.query,
            asked_at=self.asked_at,
            settled_at=self.asked_at + timedelta(seconds=latency_s),
            latency_s=latency_s,
            late=self.late,
            answer=answer,
            failure=failure,
        )


@dataclass(slots=True)
class _Kind:
    """The outstanding questions of one kind, and those that ended since the last round."""

    outstanding: dict[Target, _Question] = field(default_factory=dict)
    settled: list[Outcome] = field(default_factory=list)


class Scatter:
    """Rounds over many nodes. Thread-safe; meant to live as long as its client."""

    def __init__(
        self,
        client: RuntimeClient,
        *,
        breaker: Breaker | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self.breaker = breaker if breaker is not None else Breaker()
        self._monotonic = monotonic
        self._kinds: dict[str, _Kind] = {}
        self._changed = threading.Condition()

    def round(
        self,
        kind: str,
        asks: Sequence[Ask],
        *,
        at: datetime,
        budget_s: float = DEFAULT_BUDGET_S,
        deadline_s: float = DEFAULT_DEADLINE_S,
    ) -> Round:
        """Ask every node that may be asked, wait at most ``budget_s``, return what settled.

        ``at`` is now, UTC. A node is passed over while it still owes an answer of this
        ``kind`` (it is in ``pending``) or its breaker is open (``refused``). Every question
        ends ``deadline_s`` after it was asked. Never raises for what a node does. Two
        rounds of one kind at the same time are safe, and share what settles between them.
        """
        began = self._monotonic()
        self._expire(kind, began)
        wait = _Wait()
        questions, refused = self._admit(kind, asks, wait, at, began, deadline_s)
        for question in questions:
            self._send(question)
        self._wait_for(wait, began, budget_s)
        ended = self._monotonic()
        self._expire(kind, ended)
        outcomes, pending = self._collect(kind)
        return Round(
            kind=kind,
            at=at,
            ended_at=at + timedelta(seconds=ended - began),
            outcomes=outcomes,
            pending=pending,
            refused=refused,
        )

    def retain(self, targets: Iterable[Target]) -> None:
        """Forget what is outstanding with nodes that are not among ``targets``."""
        kept = frozenset(targets)
        self.breaker.retain(kept)
        with self._changed:
            for state in self._kinds.values():
                for target in [one for one in state.outstanding if one not in kept]:
                    del state.outstanding[target]
                state.settled = [one for one in state.settled if one.target in kept]

    def _admit(
        self,
        kind: str,
        asks: Sequence[Ask],
        wait: _Wait,
        at: datetime,
        began: float,
        deadline_s: float,
    ) -> tuple[list[_Question], tuple[Target, ...]]:
        """Reserve a place for each question that may be asked, before anything is sent."""
        questions: list[_Question] = []
        refused: list[Target] = []
        with self._changed:
            outstanding = self._kinds.setdefault(kind, _Kind()).outstanding
            for ask in asks:
                if ask.target in outstanding:
                    continue
                patient = not self.breaker.is_failing(ask.target)
                admission = self.breaker.admit(ask.target, at=at)
                if admission is Admission.REFUSE:
                    refused.append(ask.target)
                    continue
                question = _Question(
                    kind, ask, at, began, deadline_s, admission, patient=patient, wait=wait
                )
                outstanding[ask.target] = question
                questions.append(question)
                wait.patient += patient
                wait.impatient += not patient
        return questions, tuple(refused)

    def _send(self, question: _Question) -> None:
        # Outside the lock: the client's own thread needs it to report an answer.
        question.asked_mono = self._monotonic()
        try:
            future = self._client.monitor_submit(
                question.ask.target, question.ask.query, deadline_s=question.deadline_s
            )
        except RuntimeFailure as failure:
            self._settle(question, None, failure)
            return
        except ValueError as error:
            # A port or query that can't be sent is this node's trouble, not the round's.
            self._settle(question, None, _client_fault(question, error))
            return
        future.add_done_callback(lambda done: self._settle(question, *_result(done, question)))

    def _settle(
        self, question: _Question, answer: Answer | None, failure: RuntimeFailure | None
    ) -> None:
        """Called once by the client's thread, or by `_expire`; the first one counts."""
        with self._changed:
            state = self._kinds[question.kind]
            if state.outstanding.get(question.ask.target) is not question:
                return
            del state.outstanding[question.ask.target]
            outcome = question.outcome(self._monotonic(), answer, failure)
            state.settled.append(outcome)
            self._report(outcome, probe=question.admission is Admission.PROBE)
            if question.wait.is_last(patient=question.patient):
                self._changed.notify_all()

    def _report(self, outcome: Outcome, *, probe: bool) -> None:
        """Tell the breaker. A node that answers with an error is a node that answers."""
        target = outcome.target
        if outcome.sign_of_life:
            self.breaker.answered(target)
        elif isinstance(outcome.failure, ClientClosed):
            self.breaker.abandoned(target, at=outcome.settled_at)
        elif outcome.failure is not None:
            self.breaker.failed(target, outcome.failure, at=outcome.settled_at, probe=probe)

    def _expire(self, kind: str, now: float) -> None:
        """End what is past its deadline, whether or not the client has noticed."""
        with self._changed:
            state = self._kinds.get(kind)
            overdue = [
                question
                for question in (state.outstanding.values() if state else ())
                if now - question.asked_mono >= question.deadline_s
            ]
        for question in overdue:
            self._settle(question, None, _timed_out(question))

    def _wait_for(self, wait: _Wait, began: float, budget_s: float) -> None:
        """Wait for the round's own questions, but only briefly for nodes that are failing."""
        probe_end = began + min(PROBE_BUDGET_S, budget_s)
        with self._changed:
            while True:
                now = self._monotonic()
                end = began + budget_s if wait.patient else probe_end
                if now >= end or not (wait.patient or wait.impatient):
                    return
                self._changed.wait(end - now)

    def _collect(self, kind: str) -> tuple[tuple[Outcome, ...], dict[Target, datetime]]:
        with self._changed:
            state = self._kinds[kind]
            settled, state.settled = state.settled, []
            pending = {target: one.asked_at for target, one in state.outstanding.items()}
            for question in state.outstanding.values():
                question.late = True
        settled.sort(key=lambda outcome: outcome.asked_at)
        return tuple(settled), pending


def _result(
    done: Future[Answer], question: _Question
) -> tuple[Answer | None, RuntimeFailure | None]:
    try:
        error = done.exception()
    except CancelledError:
        return None, ClientClosed(f"{question.ask.target}: the question was cancelled.")
    if error is None:
        return done.result(), None
    if isinstance(error, RuntimeFailure):
        return None, error
    return None, _client_fault(question, error)


def _client_fault(question: _Question, error: BaseException) -> RuntimeFailure:
    """A client's own mistake as a failure, so that it does not end the round of all others."""
    failure = RuntimeFailure(
        f"{question.ask.target}, {question.ask.query}: the client failed "
        f"with {type(error).__name__}: {error}",
        remedy="Check that node's address in the host file; else report this with the log.",
    )
    failure.__cause__ = error
    return failure


def _timed_out(question: _Question) -> RuntimeTimedOut:
    return RuntimeTimedOut(
        f"{question.ask.target} did not answer {question.ask.query} "
        f"within {question.deadline_s:g} s."
    )
