"""`run_command` and `dry_run`: the one way to a program on a node's machine."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable

import structlog

from apps.common.time import utc_now
from apps.control.remote.connect import Session, access_hops, own_user
from apps.control.remote.ending import Ending, Interrupted, Watch
from apps.control.remote.failures import (
    Canceled,
    ClioRunNotFound,
    CommandTimedOut,
    PermissionDenied,
)
from apps.control.remote.lines import LineSink
from apps.control.remote.local import run_locally
from apps.control.remote.script import command_argv, marked_argv, shell_line
from apps.control.remote.session import run_over_ssh
from apps.control.remote.types import (
    Access,
    Command,
    CommandResult,
    DryRun,
    HostKeyPolicy,
    Line,
    Method,
    RemoteFailure,
)

log = structlog.get_logger(__name__)

NOT_FOUND, NOT_EXECUTABLE = 127, 126
TIMEOUT_CODES = (124, 137)
"""Of `timeout`: after SIGTERM, and after SIGKILL."""


def run_command(
    access: Access,
    command: Command,
    *,
    on_line: Callable[[Line], None],
    cancel: threading.Event,
    deadline_s: float,
) -> CommandResult:
    """Run `command` and wait for its end. Raises a RemoteFailure when it has none of its own.

    `on_line` is called in this thread, in order of the numbers. `cancel` ends the command, on
    the far side too. `deadline_s` is wall clock from the call; ending a command that is then
    still running takes up to 5 s more. A failure carries the host key's fingerprint and
    whether the command began. `extra` has its exit code, where it had one.
    """
    argv = command_argv(command, limit_s=deadline_s)
    started = time.monotonic()
    sink = LineSink(on_line, utc_now)
    watch = Watch(cancel, started + deadline_s)
    session = Session(access)
    program, where = command.argv[0], _where(access)
    # Without its environment and its output: those are the job's, for people who may see it.
    note = log.bind(where=where, user=access.user, method=access.method.value)
    note.info("command begins", command=shlex.join(command.argv))
    try:
        if cancel.is_set():
            raise Canceled(program, where, began=False)
        try:
            ending = _run(access, session, argv, sink, watch)
        except Interrupted as interruption:
            failure = (
                CommandTimedOut(program, where, deadline_s)
                if interruption.by_clock
                else Canceled(program, where, began=True)
            )
            failure.command_began = True
            raise failure from None
        finally:
            sink.finish()
        duration_s = time.monotonic() - started
        _check_code(ending, program, where, sink, late=duration_s >= deadline_s - 1, at=deadline_s)
    except RemoteFailure as failure:
        failure.host_key_fingerprint = session.fingerprint
        failure.host_key_new = session.key_is_new
        failure.lines_total = sink.total
        failure.truncated = sink.truncated
        note.info("command failed", code=failure.code, exit_code=failure.extra.get("exit_code"))
        raise
    finally:
        session.close()
    note.info("command ended", exit_code=ending.exit_code, duration_s=round(duration_s, 2))
    return CommandResult(
        exit_code=ending.exit_code,
        host_key_fingerprint=session.fingerprint,
        host_key_new=session.key_is_new,
        duration_s=duration_s,
        lines_total=sink.total,
        truncated=sink.truncated,
    )


def dry_run(access: Access, command: Command, *, deadline_s: float = 60.0) -> DryRun:
    """What `run_command` would run. Connects to nothing. Raises CommandUnusable."""
    line = shell_line(command_argv(command, limit_s=deadline_s))
    if access.method is Method.LOCAL:
        return DryRun(
            command_line=line,
            where="the portal's own machine",
            as_whom=own_user(),
            via="directly, without SSH",
            warnings=_warnings(access, command),
        )
    *jumps, target = access_hops(access)
    key = f"key {target.key_file}" if target.key_file else "the agent's keys"
    through = "".join(f", through {hop.user}@{hop.host}:{hop.port}" for hop in jumps)
    return DryRun(
        command_line=line,
        where=target.where,
        as_whom=target.user,
        via=f"SSH with {key}{through}; host keys: {access.host_key_policy.value}",
        warnings=_warnings(access, command),
    )


def _run(access: Access, session: Session, argv: list[str], sink: LineSink, watch: Watch) -> Ending:
    if access.method is Method.LOCAL:
        return run_locally(argv, sink=sink, watch=watch)
    session.open(watch.cancel)
    return run_over_ssh(access, session, marked_argv(argv), sink=sink, watch=watch)


def _check_code(
    ending: Ending, program: str, where: str, sink: LineSink, *, late: bool, at: float
) -> None:
    failure: RemoteFailure | None = None
    if ending.exit_code == NOT_FOUND:
        failure = ClioRunNotFound(program, where, sink.last_error_line)
    elif ending.exit_code == NOT_EXECUTABLE:
        failure = PermissionDenied(program, where, sink.last_error_line)
    elif ending.exit_code in TIMEOUT_CODES and late:
        failure = CommandTimedOut(program, where, at)
        failure.command_began = True
    if failure:
        failure.extra["exit_code"] = ending.exit_code
        raise failure


def _where(access: Access) -> str:
    return "this machine" if access.method is Method.LOCAL else f"{access.host}:{access.port}"


def _warnings(access: Access, command: Command) -> tuple[str, ...]:
    found = []
    if command.detached and not command.env.get("CLIO_SERVER_CONF"):
        found.append(
            "CLIO_SERVER_CONF is not set: the runtime would start with ~/.clio/clio.yaml "
            "or its defaults, outside of this cluster."
        )
    if access.method is Method.SSH and access.host_key_policy is HostKeyPolicy.OFF:
        found.append(
            "Host keys are not checked: any machine that answers at that address is trusted."
        )
    return tuple(found)
