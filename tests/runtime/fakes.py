"""An in-process `RuntimeClient` whose nodes do as the test says, and a clock that it moves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from apps.runtime.client import DEFAULT_DEADLINE_S
from apps.runtime.errors import RuntimeFailure
from apps.runtime.types import Answer, Connection, HostInfo, Reachability, Route, Target

START = datetime(2026, 1, 1, tzinfo=UTC)
LOCAL = Route.local()


class Clock:
    """Wall and monotonic time of a test; both stand still until moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @property
    def at(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass(slots=True)
class Question:
    target: Target
    query: str
    deadline_s: float
    future: Future[Answer] = field(default_factory=Future)

    def answer(self, data: bytes = b"\x90") -> None:
        parts = {self.target.node_id: data}
        self.future.set_result(Answer(parts=parts, return_code=0, boot=1))

    def fail(self, failure: BaseException) -> None:
        self.future.set_exception(failure)


Behaviour = Callable[[Question], None]


def at_once(question: Question) -> None:
    question.answer()


def silent(_question: Question) -> None:
    """Never answers; the test may end the question later."""


def failing(failure: BaseException) -> Behaviour:
    return lambda question: question.fail(failure)


class FakeClient:
    """Nodes answer at once unless ``behaviours`` says otherwise. Keeps every question."""

    def __init__(self) -> None:
        self.behaviours: dict[int, Behaviour] = {}
        self.asked: list[Question] = []
        self.raises: RuntimeFailure | ValueError | None = None

    def monitor_submit(
        self,
        target: Target,
        query: str,
        *,
        route: Route = LOCAL,
        deadline_s: float = DEFAULT_DEADLINE_S,
    ) -> Future[Answer]:
        if self.raises is not None:
            raise self.raises
        question = Question(target, query, deadline_s)
        self.asked.append(question)
        self.behaviours.get(target.node_id, at_once)(question)
        return question.future

    def monitor(
        self,
        target: Target,
        query: str,
        *,
        route: Route = LOCAL,
        deadline_s: float = DEFAULT_DEADLINE_S,
    ) -> Answer:
        return self.monitor_submit(target, query, route=route, deadline_s=deadline_s).result(
            deadline_s
        )

    def stop(self, target: Target, *, grace_ms: int, deadline_s: float) -> None:
        raise AssertionError("a round never stops a runtime")

    def host_info(self, target: Target, *, deadline_s: float = DEFAULT_DEADLINE_S) -> HostInfo:
        raise AssertionError("a round asks by monitor_submit")

    def reachability(self, target: Target, *, deadline_s: float = 1.0) -> Reachability:
        raise AssertionError("a round asks by monitor_submit")

    def connection(self, target: Target) -> Connection:
        return Connection(target, None, None, None, True, None, 0)

    def forget(self, target: Target) -> None:
        return None

    def close(self) -> None:
        return None

    def asked_nodes(self) -> list[int]:
        return [question.target.node_id for question in self.asked]

    def last(self, node_id: int) -> Question:
        return next(one for one in reversed(self.asked) if one.target.node_id == node_id)
