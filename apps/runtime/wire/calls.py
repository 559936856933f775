"""One question to one runtime, from submission to its future's end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from apps.runtime.errors import (
    ContractBroken,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimedOut,
)
from apps.runtime.types import Answer, Route, Target, WireGeneration
from apps.runtime.wire.frames import reply_parse
from apps.runtime.wire.layout import FrameError, Method
from apps.runtime.wire.outputs import monitor_output_parse, stop_output_parse
from apps.runtime.wire.reactor import Timer

NETWORK_TIMEOUT = -1000

REFUSALS = {
    1: "the runtime's manager is missing",
    2: "malformed pool_stats query",
    3: "no such pool on that node",
}


@dataclass(slots=True, eq=False)
class Call:
    """``query`` goes with MONITOR, ``grace_ms`` with STOP_RUNTIME."""

    target: Target
    method: Method
    deadline_s: float
    query: str | None = None
    route: Route = field(default_factory=Route)
    grace_ms: int | None = None
    boot: int | None = None
    """A stop goes only to the process that has just been seen."""
    future: Future[Answer] = field(default_factory=Future)
    timer: Timer | None = None
    key: int | None = None
    """Set when it is sent."""

    @property
    def what(self) -> str:
        return self.query if self.query is not None else "stop"

    def __str__(self) -> str:
        return f"{self.target}, {self.what}"

    def succeed(self, answer: Answer) -> None:
        self._end()
        self.future.set_result(answer)

    def fail(self, failure: RuntimeFailure) -> None:
        self._end()
        self.future.set_exception(failure)

    def _end(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


def answer_read(call: Call, body: bytes, generation: WireGeneration, boot: int | None) -> Answer:
    """The answer in a reply's body. Raises a RuntimeFailure that names node and query."""
    try:
        reply = reply_parse(body, generation)
        if reply.method != call.method:
            raise FrameError(f"method {reply.method} answered, {int(call.method)} was asked")
        if call.method is Method.STOP_RUNTIME:
            message = stop_output_parse(reply.output)
            _return_code_check(call, reply.return_code, message)
            return Answer({}, reply.return_code, boot)
        parts = monitor_output_parse(reply.output)
    except FrameError as error:
        raise ContractBroken(f"{call}: {error}.") from error
    _return_code_check(call, reply.return_code, "")
    return Answer(parts, reply.return_code, boot)


def _return_code_check(call: Call, code: int, message: str) -> None:
    if code == NETWORK_TIMEOUT:
        raise RuntimeTimedOut(
            f"{call}: the runtime's own network time-out; a node that it was routed to is dead.",
            remedy="Ask each node directly, and look at the nodes that do not answer.",
        )
    if code or message:
        meaning = message or REFUSALS.get(code, "a code this portal does not know")
        raise RuntimeRefused(f"{call}: return code {code}, {meaning}.", return_code=code)


def failure_restate(failure: RuntimeFailure, call: Call) -> RuntimeFailure:
    """A failure of the connection as this call's own: one exception must not be raised twice."""
    remedy = failure.remedy
    if call.method is Method.STOP_RUNTIME and call.key is not None:
        remedy = (
            "The stop was sent. Release 2.2.0 stops without an answer: look whether the runtime "
            "still answers."
        )
    own = type(failure)(f"{failure.message} Asked: {call.what}.", remedy=remedy)
    own.__cause__ = failure.__cause__
    return own


class CallBook:
    """The calls of one link: those that wait for the connection, and those that were sent."""

    def __init__(self, key_drop: Callable[[int], None]) -> None:
        self._key_drop = key_drop
        self._waiting: dict[int, Call] = {}
        self._sent: dict[int, Call] = {}

    def keep(self, call: Call) -> None:
        self._waiting[id(call)] = call

    def waits(self, call: Call) -> bool:
        return id(call) in self._waiting

    def keep_sent(self, call: Call, key: int) -> None:
        call.key = key
        self._sent[key] = call

    def waiting_take(self) -> list[Call]:
        taken, self._waiting = self._waiting, {}
        return list(taken.values())

    def sent(self, key: int) -> Call | None:
        return self._sent.get(key)

    def drop(self, call: Call) -> None:
        self._waiting.pop(id(call), None)
        if call.key is not None:
            self._sent.pop(call.key, None)
            self._key_drop(call.key)

    def fail_all(self, failure: RuntimeFailure) -> None:
        calls = [*self._waiting.values(), *self._sent.values()]
        for call in calls:
            self.drop(call)
        for call in calls:
            call.fail(failure_restate(failure, call))
