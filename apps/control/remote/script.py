"""The exact words that run on a node's machine, as an argv list.

Both ways, SSH and local, run the same list. Values only ever enter as words of their own;
the two scripts are fixed texts that see them as ``"$1"`` and so on. Over SSH the list is
quoted for the login shell on the other side by `shlex`.

All of it stays on one line and without ``!``, which a csh would read inside quotes.
"""

from __future__ import annotations

import math
import re
import shlex

from apps.control.remote.types import Command, RemoteFailure

KILL_AFTER_S = 5
"""What ignores SIGTERM gets SIGKILL so many seconds later."""
MARK = "clio-portal-pid"
MARK_LINE = re.compile(rb"clio-portal-pid (\d{1,10})\n")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Says its pid, so that the command can be ended later, and becomes the command.
_MARKED = f'echo "{MARK} $$"; exec "$@"'

# "$1" is the log, the rest the program. What fails at once says so here instead of only in
# the log, with its own exit code; what still runs after a moment is on its own.
_DETACHED = "; ".join(
    (
        "log=$1; shift; cd /",
        """case $log in "~/"*) log=$HOME/${log#"~/"};; esac""",
        '[ -e "$1" ] || { echo "$1: not found" >&2; exit 127; }',
        '[ -d "$1" ] && { echo "$1: is a directory" >&2; exit 126; }',
        '[ -x "$1" ] || { echo "$1: not executable" >&2; exit 126; }',
        'mkdir -p -- "$(dirname -- "$log")" && : >>"$log" || exit 73',
        'before=$(wc -c <"$log")',
        'setsid nohup "$@" </dev/null >>"$log" 2>&1 & pid=$!',
        "sleep 1",
        'kill -0 "$pid" 2>/dev/null && { echo "started, pid $pid, log $log"; exit 0; }',
        'wait "$pid"; code=$?',
        'tail -c "+$((before + 1))" -- "$log" 2>/dev/null | tail -n 40 >&2',
        'echo "ended at once with exit code $code" >&2',
        '[ "$code" -eq 0 ] && exit 70',
        'exit "$code"',
    )
)
LOG_NOT_WRITABLE = 73
"""Exit code of a detached start whose log can't be written."""
ENDED_AT_ONCE = 70
"""Exit code of a detached start that ended with 0 instead of staying."""


class CommandUnusable(RemoteFailure):
    """A word that no machine could be given."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what,
            code="command_unusable",
            remedy="Correct the node's access settings.",
        )


def command_argv(command: Command, *, limit_s: float) -> list[str]:
    """What is run: environment, limit and the program, as words. Raises CommandUnusable."""
    _check(command)
    inner = list(command.argv)
    if command.detached:
        inner = ["sh", "-c", _DETACHED, "clio-portal", command.log_path or "/dev/null", *inner]
    assignments = [f"{name}={value}" for name, value in command.env.items()]
    environment = ["env", *assignments] if assignments else []
    limit = str(max(1, math.ceil(limit_s)))
    return [*environment, "timeout", "-k", str(KILL_AFTER_S), limit, *inner]


def marked_argv(argv: list[str]) -> list[str]:
    """The same, saying its process id first."""
    return ["sh", "-c", _MARKED, "clio-portal", *argv]


def shell_line(argv: list[str]) -> str:
    """One line that a POSIX shell reads as exactly these words."""
    return shlex.join(argv)


def kill_line(pid: int) -> str:
    return f"kill -TERM {pid:d}"


def _check(command: Command) -> None:
    if not command.argv or not command.argv[0]:
        raise CommandUnusable("There is no program to run.")
    if command.argv[0].startswith("-") or "=" in command.argv[0]:
        raise CommandUnusable(f"{command.argv[0]!r} can't be the path of a program.")
    for name, value in command.env.items():
        if not _NAME.fullmatch(name):
            raise CommandUnusable(f"{name!r} can't be the name of an environment variable.")
        if "\0" in value:
            raise CommandUnusable(f"The value of {name} holds a NUL character.")
    if any("\0" in word for word in (*command.argv, command.log_path or "")):
        raise CommandUnusable("A word of the command holds a NUL character.")
