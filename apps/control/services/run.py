"""Carrying out a job: its commands, one after the other, and what became of the node."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from apps.common.time import utc_now
from apps.control.access import access_of, step_command
from apps.control.actions import Goal, Step, action_get, watch_limit_s
from apps.control.models import ControlJob, JobStatus
from apps.control.remote.run import run_command
from apps.control.remote.types import Access, Command, CommandResult, Line, RemoteFailure
from apps.control.runtime_client import control_client
from apps.control.services.keeper import Keeper
from apps.control.services.progress import Ending, job_claim
from apps.control.services.watch import (
    ANSWER_DEADLINE_S,
    FIRST_ANSWER_DEADLINE_S,
    Seen,
    node_see,
)
from apps.nodes.models import Node
from apps.runtime.client import RuntimeClient
from apps.runtime.types import Reachability, Target

log = structlog.get_logger(__name__)

STUCK_AFTER_S = 15.0
"""A command that outlives its own limit by so much is given up: its session hangs."""
TICK_S = 0.1
LOOK_EVERY_S = 0.3
DOWN_LOOKS = 2
"""So many refusals in a row: one could be a restart by somebody else."""
GONE_AFTER_S = 5.0
"""A node that answered before and then can't be reached for so long is taken for down."""
STATUS_WORDS = {
    0: "It runs.",
    1: "It is stopped.",
    2: "It left stale files, or hangs.",
}
LOG_REMEDY = "Read the runtime's log on that machine: {log}."


class Runner(Protocol):
    def __call__(
        self,
        access: Access,
        command: Command,
        *,
        on_line: Callable[[Line], None],
        cancel: threading.Event,
        deadline_s: float,
    ) -> CommandResult: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """The outside world of a run."""

    run: Runner = run_command
    access: Callable[[Node], Access] = access_of
    client: Callable[[], RuntimeClient] = control_client
    clock: Callable[[], datetime] = utc_now
    look_every_s: float = LOOK_EVERY_S


def tools_default() -> Tools:
    return Tools()


def control_job_run(pk: int, *, holder: str, tools: Tools | None = None) -> bool:
    """Run the job if it is still to be run; False when it is not. Ends with a stored result."""
    tools = tools or tools_default()
    job = job_claim(pk, holder=holder, at=tools.clock())
    if job is None:
        return False
    # The row has the request's id even when its message was sent again by somebody else.
    with structlog.contextvars.bound_contextvars(request_id=job.request_id, job=pk):
        _claimed_run(job, tools)
    return True


def _claimed_run(job: ControlJob, tools: Tools) -> None:
    log.info("control job begins", action=job.action, node=job.node_name)
    keeper = Keeper(job, clock=tools.clock)
    ending = Ending(
        status=JobStatus.FAILED,
        code="internal_error",
        outcome="Something went wrong in the portal itself; its log has the details.",
        remedy="Look at the node's state before you try again.",
    )
    run = Run(job, keeper, tools)
    try:
        ending = run.carry_out()
    finally:
        # Whatever happened: the row must not stay open.
        run.note_figures(ending)
        keeper.finish(ending)
        log.info("control job ended", status=str(ending.status), code=ending.code)


class _Ended(Exception):
    """The job is at its end before its last step."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.outcome)
        self.ending = ending


class Run:
    """One run of one job."""

    def __init__(self, job: ControlJob, keeper: Keeper, tools: Tools) -> None:
        node = job.node
        self.job = job
        self.keeper = keeper
        self.tools = tools
        self.target = Target(job.node_number, node.host, node.port)
        self.before: Seen | None = None
        self.last: Seen | None = None
        self.result: CommandResult | None = None
        self.exit_code: int | None = None
        self.truncated = False

    def carry_out(self) -> Ending:
        action = action_get(self.job.action)
        try:
            access = self.tools.access(self.job.node)
            self.before = self._see(FIRST_ANSWER_DEADLINE_S)
            self.keeper.look("before", self.before.sentence, reached=False, boot=self.before.boot)
            outcome = ""
            for step in action.steps:
                last = step is action.steps[-1]
                outcome = self._step(step, access, last=last)
        except _Ended as ended:
            return ended.ending
        except RemoteFailure as failure:
            return self._failed(failure)
        return Ending(status=JobStatus.SUCCEEDED, code="done", outcome=outcome)

    def note_figures(self, ending: Ending) -> None:
        """Add to the ending what is known however it came about."""
        ending.lines_total = self.keeper.lines_total
        ending.truncated = self.truncated
        ending.boot_before = self.before.boot if self.before else None
        ending.boot_after = self.last.boot if self.last else None
        if ending.exit_code is None:
            ending.exit_code = self.exit_code
        if self.result is not None:
            ending.host_key_fingerprint = self.result.host_key_fingerprint
            ending.host_key_new = self.result.host_key_new

    # --- one step

    def _step(self, step: Step, access: Access, *, last: bool) -> str:
        """Run the command and watch for its goal. Returns a sentence on what came out."""
        if self._is_needless(step, last=last):
            return ""
        result = self._command(step, access)
        if result.exit_code not in step.success_codes:
            raise _Ended(self._bad_exit(step, result))
        if step.goal is Goal.NONE:
            return STATUS_WORDS.get(result.exit_code or 0, "It answered.")
        if last:
            self.keeper.verifying()
        if step.goal is Goal.DOWN:
            return self._watch_down(step)
        return self._watch_answers(step, access)

    def _is_needless(self, step: Step, *, last: bool) -> bool:
        """Is the goal there already? Then the command would prove nothing, or do harm."""
        before = self.before
        if before is None:
            raise AssertionError("the node is looked at before its commands")
        if step.goal is Goal.DOWN and before.is_down:
            if last:
                raise _Ended(
                    Ending(
                        status=JobStatus.FAILED,
                        code="not_running",
                        outcome=f"Nothing to stop: {before.sentence}",
                        remedy="If it should run, start the node.",
                    )
                )
            self.keeper.look("down", "It was down already: there is nothing to stop.", reached=True)
            return True
        first_start = step.goal is Goal.ANSWERS and self.last is before
        if first_start and before.reach is Reachability.ACCEPTS:
            raise _Ended(
                Ending(
                    status=JobStatus.FAILED,
                    code="already_running",
                    outcome=f"It was not started, because a runtime is there. {before.sentence}",
                    remedy="To get a fresh process, restart the node.",
                )
            )
        return False

    def _command(self, step: Step, access: Access) -> CommandResult:
        """Run it on a thread of its own, so that its silence does not silence the job."""
        command = step_command(step, access)
        lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        box: list[CommandResult | RemoteFailure] = []

        def work() -> None:
            try:
                box.append(
                    self.tools.run(
                        access,
                        command,
                        on_line=lines.put,
                        cancel=self.keeper.cancel,
                        deadline_s=step.time_limit_s,
                    )
                )
            except RemoteFailure as failure:
                box.append(failure)
            finally:
                lines.put(None)

        # With this thread's context: what the command logs names its job and its request, too.
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(work,), name=f"job-{self.job.pk}", daemon=True).start()
        if not self._lines_take(lines, limit_s=step.time_limit_s + STUCK_AFTER_S):
            self.keeper.cancel.set()
            raise _Ended(_stuck(step))
        if not box:
            raise RuntimeError(f"the command of {self.job} ended without a result")
        if isinstance(box[0], RemoteFailure):
            raise box[0]
        self.result = box[0]
        self.exit_code = box[0].exit_code
        self.truncated = self.truncated or box[0].truncated
        return box[0]

    def _lines_take(self, lines: queue.SimpleQueue[Line | None], *, limit_s: float) -> bool:
        """Take lines until the command's end; False when it does not end."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            try:
                line = lines.get(timeout=TICK_S)
            except queue.Empty:
                self.keeper.tend()
                continue
            if line is None:
                self.keeper.tend()
                return True
            self.keeper.line(line)
            self.keeper.tend()
        return False

    # --- what became of the node

    def _see(self, deadline_s: float) -> Seen:
        self.last = node_see(self.tools.client(), self.target, deadline_s=deadline_s)
        return self.last

    def _watch_down(self, step: Step) -> str:
        refusals = 0
        gone_since: float | None = None
        reachable_before = self.before is not None and self.before.reach is Reachability.ACCEPTS
        for seen in self._looks(step, phase="down"):
            refusals = refusals + 1 if seen.is_down else 0
            now = time.monotonic()
            if seen.reach is not Reachability.UNREACHABLE:
                gone_since = None
            elif gone_since is None:
                gone_since = now
            gone = gone_since is not None and now - gone_since >= GONE_AFTER_S
            if refusals >= DOWN_LOOKS or (gone and reachable_before):
                self.keeper.look("down", f"It is down. {seen.sentence}", reached=True)
                return "It is down, as seen from the portal."
        raise _Ended(self._not_reached(step, "it is not down", "not_down"))

    def _watch_answers(self, step: Step, access: Access) -> str:
        old = self.before.boot if self.before else None
        same = False
        for seen in self._looks(step, phase="answers"):
            same = seen.answered and seen.boot is not None and seen.boot == old
            if seen.answered and not same:
                self.keeper.look("answers", seen.sentence, reached=True, boot=seen.boot)
                return "It answers, as a new process." if old else "It answers."
        what, code = ("it is still the same process", "same_process")
        if not same:
            what, code = ("it does not answer", "no_answer")
        remedy = LOG_REMEDY.format(log=access.log_path)
        raise _Ended(self._not_reached(step, what, code, remedy))

    def _looks(self, step: Step, *, phase: str) -> _Looks:
        return _Looks(self, watch_limit_s(step, self.job.parameters), phase)

    def canceled(self, when: str) -> Ending:
        who = self.keeper.canceled_by or "The portal"
        seen = f" When last looked at: {self.last.sentence}" if self.last else ""
        return Ending(
            status=JobStatus.CANCELED,
            code="canceled",
            outcome=f"{who} canceled it {when}.{seen}",
            remedy="Look at the node's state: the command may have taken effect.",
        )

    # --- endings

    def _failed(self, failure: RemoteFailure) -> Ending:
        if failure.code == "canceled":
            self._see(ANSWER_DEADLINE_S)
            return self.canceled("while its command ran")
        late = failure.code == "command_timed_out"
        exit_code = failure.extra.get("exit_code")
        return Ending(
            status=JobStatus.TIMED_OUT if late else JobStatus.FAILED,
            code=failure.code,
            outcome=failure.message,
            remedy=failure.remedy or "",
            exit_code=exit_code if isinstance(exit_code, int) else None,
            host_key_fingerprint=failure.host_key_fingerprint,
            host_key_new=failure.host_key_new,
        )

    def _bad_exit(self, step: Step, result: CommandResult) -> Ending:
        self._see(ANSWER_DEADLINE_S)
        seen = f" {self.last.sentence}" if self.last else ""
        code = "no exit code" if result.exit_code is None else f"exit code {result.exit_code}"
        return Ending(
            status=JobStatus.FAILED,
            code="bad_exit_code",
            outcome=f"clio_run {step.word} ended with {code}.{seen}",
            remedy="Its output says why.",
        )

    def _not_reached(self, step: Step, what: str, code: str, remedy: str = "") -> Ending:
        seen = self.last.sentence if self.last else ""
        return Ending(
            status=JobStatus.FAILED,
            code=code,
            outcome=(
                f"clio_run {step.word} ended with exit code {self.exit_code}, but "
                f"{what} after {watch_limit_s(step, self.job.parameters):g} s. {seen}"
            ),
            remedy=remedy or "Look at the node: its runtime may hang. The output may say why.",
        )


class _Looks:
    """Looks at the node, one after the other, until the time is over."""

    def __init__(self, run: Run, limit_s: float, phase: str) -> None:
        self._run = run
        self._phase = phase
        self._until = time.monotonic() + limit_s
        self._told = ""

    def __iter__(self) -> _Looks:
        return self

    def __next__(self) -> Seen:
        """The next look; it is noted when it differs from the one before."""
        if self._told:
            self._wait()
        if self._run.keeper.cancel.is_set():
            raise _Ended(self._run.canceled("while the node was being watched"))
        if time.monotonic() >= self._until:
            raise StopIteration
        seen = self._run._see(ANSWER_DEADLINE_S)
        if seen.sentence != self._told:
            self._told = seen.sentence
            self._run.keeper.look(self._phase, seen.sentence, reached=False, boot=seen.boot)
        self._run.keeper.tend()
        return seen

    def _wait(self) -> None:
        until = time.monotonic() + self._run.tools.look_every_s
        while (left_s := until - time.monotonic()) > 0:
            self._run.keeper.cancel.wait(min(left_s, TICK_S))
            self._run.keeper.tend()
            if self._run.keeper.cancel.is_set():
                return


def _stuck(step: Step) -> Ending:
    return Ending(
        status=JobStatus.TIMED_OUT,
        code="session_stuck",
        outcome=(
            f"clio_run {step.word} did not end within {step.time_limit_s:g} s, and neither did "
            "its session: it was given up."
        ),
        remedy="Look at the node: the command may still run there.",
    )
