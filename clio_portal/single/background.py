"""What nobody waits for, in a process of its own beside the web server: Celery's worker and beat.

Python runs one thread of a process at a time. With 500 nodes to poll, and as threads of the web
server's process, they kept one answer in a hundred waiting for 0.35 s; docs/web-server.md has
the figures.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import structlog
from django.conf import settings
from kombu.exceptions import OperationalError as BrokerError

from clio_portal.celery import app

log = structlog.get_logger(__name__)

READY_DEADLINE_S = 25.0
MAY_TAKE_S = 3.0
"""Its tasks' end, when it is told to stop."""
KILLED_AFTER_S = MAY_TAKE_S + 0.3
STOP = b"stop\n"
EXIT_STOPPED = 0
EXIT_NOT_STARTED = 1
EXIT_CUT_OFF = 3
"""Something of it was still at work when it had to end."""
_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Message:
    """A task for the background, as one line of JSON."""

    task: str
    args: Sequence[Any]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    request_id: str | None

    def line(self) -> bytes:
        return json.dumps(astuple(self)).encode() + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Message:
        return cls(*json.loads(line))


class Relay:
    """Hands tasks to the background. Like a broker, and with a broker's error; never waits."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._is_open = True
        # A thread that writes must not meet another file under a number that was just closed.
        self._lock = threading.Lock()

    def send(
        self, task: str, args: Sequence[Any], kwargs: dict[str, Any], options: dict[str, Any]
    ) -> None:
        """Raises BrokerError when the background is gone, or takes nothing."""
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        line = Message(task, args, kwargs, options, request_id).line()
        if len(line) > select.PIPE_BUF:  # could arrive in parts, among those of another
            raise BrokerError(f"The message for {task} is too long for the background.")
        try:
            self._write(line)
        except BlockingIOError as error:
            raise BrokerError("The portal's background takes no messages: it hangs.") from error
        except OSError as error:
            raise BrokerError(f"The portal's background is gone: {error}") from error

    def stop(self) -> None:
        """Ask the background to end. One that hangs sees that the pipe ends."""
        try:
            self._write(STOP)
        except OSError as error:
            log.warning("the background can't be told to stop", error=str(error))
        with self._lock:
            self._is_open = False
            os.close(self._descriptor)

    def _write(self, line: bytes) -> None:
        with self._lock:
            if not self._is_open:
                raise BrokenPipeError("the portal stops")
            os.write(self._descriptor, line)


class Background:
    """The process, as the web server's process sees it.

    It ends when that one does, however that ends. Until then it keeps the lock on the data
    directory, which it inherits: a portal that follows a killed one never polls beside it.
    """

    def __init__(self) -> None:
        self._running: _Running | None = None

    def start(self, listener: socket.socket) -> None:
        """Begin, by a fork: no thread may run yet, and no database connection be open.

        `listener`: the web server's; not for the background.
        """
        read, write = os.pipe()
        ready, ready_there = _fork.Pipe(duplex=False)
        child = _Child(read=read, write=write, ready=ready_there, listener=listener)
        process = _fork.Process(target=child.run, name="background")
        process.start()
        os.close(read)
        ready_there.close()
        relay = Relay(write)
        self._running = _Running(process, relay, ready)
        if not settings.PORTAL_REDIS_URL:
            app.relay = relay.send

    def wait_ready(self) -> None:
        """Raises RuntimeError when it does not come up."""
        try:
            problem = "it takes too long"
            if self._started.ready.poll(READY_DEADLINE_S):
                problem = self._started.ready.recv()
        except EOFError:
            problem = "its process ended"
        if problem:
            raise RuntimeError(f"The Celery worker did not start: {problem}. See the log above.")

    @property
    def sentinel(self) -> int:
        """A file descriptor that can be read from when the process has ended."""
        return self._started.process.sentinel

    def stop(self) -> bool:
        """Ask it to end, and see to it; True when all its work had ended in time.

        No message is lost that a row needs.
        """
        if self._running is None:
            return True
        process = self._running.process
        self._running.relay.stop()
        process.join(KILLED_AFTER_S)
        if process.is_alive():
            process.kill()
            process.join()
        return process.exitcode == EXIT_STOPPED

    @property
    def _started(self) -> _Running:
        if self._running is None:
            raise RuntimeError("The background was not started.")
        return self._running


@dataclass(frozen=True, slots=True)
class _Running:
    """`ready` receives an empty text, or why it could not begin."""

    process: multiprocessing.process.BaseProcess
    relay: Relay
    ready: Connection


@dataclass(frozen=True, slots=True)
class _Child:
    """What runs in the process."""

    read: int
    write: int
    ready: Connection
    listener: socket.socket

    def run(self) -> NoReturn:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # whole groups get them; the portal decides
        os.close(self.write)  # so that the pipe ends with the portal
        self.listener.close()
        from clio_portal.single.celery_threads import CeleryThreads
        from clio_portal.warm import heap_settle

        threads = CeleryThreads()
        try:
            threads.start()
        except RuntimeError as error:
            self.ready.send(str(error).rstrip("."))
            os._exit(EXIT_NOT_STARTED)
        heap_settle()
        self.ready.send("")
        self.ready.close()
        self._hand_on()
        ended = threads.stop(timeout_s=MAY_TAKE_S)
        sys.stdout.flush()
        sys.stderr.flush()
        # Not `sys.exit`, which would wait for the threads of tasks that are still at work.
        os._exit(EXIT_STOPPED if ended else EXIT_CUT_OFF)

    def _hand_on(self) -> None:
        """Until told to stop. Without a word the portal was killed: then this ends at once, too."""
        with os.fdopen(self.read, "rb") as lines:
            for line in lines:
                if line == STOP:
                    return
                _publish(Message.of(line))
        os._exit(EXIT_CUT_OFF)


def _publish(message: Message) -> None:
    with structlog.contextvars.bound_contextvars(request_id=message.request_id):
        app.send_task(message.task, message.args, message.kwargs, **message.options)
