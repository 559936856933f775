"""Processes that a run starts, kills and starts again. Only ever its own, by their ids."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil
import psycopg

from apps.runtime.errors import RuntimeFailure

STOP_WITHIN_S = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(
    met: Callable[[], object], *, within_s: float, what: str, every_s: float = 0.2
) -> float:
    """Seconds until `met`. Raises TimeoutError, naming `what`. What does not answer, a node or
    the database, counts as not yet.
    """
    began = time.monotonic()
    while True:
        with contextlib.suppress(OSError, psycopg.Error, RuntimeFailure):
            if met():
                return time.monotonic() - began
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"Not within {within_s:g} s: {what}.")
        time.sleep(every_s)


def end_in_order() -> None:
    """Told to end, this process stops what it has started, as at Ctrl-C."""

    def told(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # told twice, it would not finish
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, told)


@dataclass(slots=True)
class Child:
    """One process; its children die with it. `user`: run as, where this process may choose."""

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str]
    cwd: Path
    user: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    starting: threading.Lock = field(default_factory=threading.Lock, init=False)
    """A supervisor and the run itself may both start it."""

    def start(self) -> None:
        with self.starting, self.log.open("ab") as log:
            if self.is_alive():
                return
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.env),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
            )

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError(f"{self.name} was not started.")
        return self.process.pid

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal_all(self, number: int) -> None:
        """To the process and all of its children: they are one process group."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def kill(self) -> None:
        """kill -9, children included."""
        self.signal_all(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self, number: int = signal.SIGTERM, *, within_s: float = STOP_WITHIN_S) -> None:
        """Ask it to end; after `within_s` kill it."""
        if self.process is None or not self.is_alive():
            return
        self.process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(within_s)
        self.kill()

    def tree(self) -> list[psutil.Process]:
        if not self.is_alive():
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(self.pid)
            return [top, *top.children(recursive=True)]
        return []

    def cpu_s(self) -> float:
        """Processor time of the living processes so far."""
        total = 0.0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                used = process.cpu_times()
                total += used.user + used.system
        return total

    def rss_mb(self) -> float:
        total = 0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total / 2**20
