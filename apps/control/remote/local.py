"""One command on the portal's own machine, without SSH. Only for nodes that are set so."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from typing import IO

from apps.control.remote.ending import Ending, Watch
from apps.control.remote.failures import ClioRunNotFound
from apps.control.remote.lines import LineSink, Stream

READ_BYTES = 65_536
LOOK_S = 0.05
LAST_WORDS_S = 2.0
# The portal's own variables hold its secrets: a runtime gets what a login would have.
PASSED_ON = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")


def run_locally(argv: list[str], *, sink: LineSink, watch: Watch) -> Ending:
    """The command's exit code, ``None`` when a signal killed it. Raises Interrupted after
    ending the command and what it started (but not what detached itself)."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment.setdefault("PATH", os.defpath)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise ClioRunNotFound(argv[0], "this machine", str(error)) from error
    with process:
        try:
            _follow(process, sink, watch)
        except BaseException:
            _end(process)
            raise
    code = process.returncode
    return Ending(code if code >= 0 else None)


def _follow(process: subprocess.Popen[bytes], sink: LineSink, watch: Watch) -> None:
    ended_at: float | None = None
    with selectors.DefaultSelector() as selector:
        for name, pipe in _pipes(process):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, name)
        while selector.get_map() or process.poll() is None:
            for key, _ in selector.select(LOOK_S) if selector.get_map() else ():
                data = os.read(key.fd, READ_BYTES)
                if data:
                    sink.feed(key.data, data)
                else:
                    selector.unregister(key.fileobj)
            if not selector.get_map() and process.poll() is None:
                watch.cancel.wait(LOOK_S)
            if process.poll() is not None:
                # Something that the command left behind may hold its output open.
                ended_at = ended_at or time.monotonic()
                if time.monotonic() - ended_at > LAST_WORDS_S:
                    return
            else:
                watch.check()


def _pipes(process: subprocess.Popen[bytes]) -> list[tuple[Stream, IO[bytes]]]:
    if process.stdout is None or process.stderr is None:
        raise TypeError("the process has no pipes")
    return [("stdout", process.stdout), ("stderr", process.stderr)]


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the command and its children, then SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            continue
        # The leader is gone; whatever of its group ignored the signal goes as well.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
