"""Start, recognise and stop processes by pid, without ever hitting somebody else's."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

TETHER = Path(__file__).with_name("tether.py")
# psutil reads the start time in clock ticks of 10 ms.
START_TIME_TOLERANCE_S = 0.05

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A pid with its start time (Unix seconds): a pid alone may have been given to another."""

    pid: int
    started_at: float

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """The identity of a living process. Raises psutil.NoSuchProcess."""
        return cls(pid=pid, started_at=psutil.Process(pid).create_time())

    def as_json(self) -> dict[str, float]:
        return asdict(self)

    def process(self) -> psutil.Process | None:
        """The living process itself, or None when it ended (a zombie has ended)."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) <= START_TIME_TOLERANCE_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class _Spawner:
    """Forks on one thread that lives as long as the process.

    The kernel ties "die with your parent" to the thread that forked, so a command started from a
    short-lived thread would die with that thread.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def run(self, job: Callable[[], _T]) -> _T:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="spawner", daemon=True)
                self._thread.start()
        future: Future[_T] = Future()
        self._jobs.put((future, job))
        return future.result()

    def _loop(self) -> None:
        while True:
            future, job = self._jobs.get()
            try:
                future.set_result(job())
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                future.set_exception(error)


_spawner = _Spawner()


def process_spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start argv in its own process group; its output goes to the end of `log`.

    When this process ends, it gets `death_signal`: by default the one that a paused process
    cannot miss.
    """
    tether = [sys.executable, "-S", "-E", str(TETHER), str(os.getpid()), str(int(death_signal))]
    command = [*tether, *map(str, argv)]

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    return _spawner.run(start)


def group_signal(pid: int, number: signal.Signals) -> None:
    """Signal the process group that `pid` leads; nothing happens when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def popen_stop(process: subprocess.Popen[bytes], *, grace_s: float) -> int:
    """SIGTERM, after `grace_s` SIGKILL, to the whole group. Gives the exit code."""
    if process.poll() is None:
        group_signal(process.pid, signal.SIGTERM)
        # A paused process acts on SIGTERM only once it runs.
        group_signal(process.pid, signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=grace_s)
    # Also after an end of its own: a group may outlive its leader.
    group_signal(process.pid, signal.SIGKILL)
    return process.wait()


def processes_stop(processes: Sequence[psutil.Process], *, grace_s: float) -> int:
    """Stop processes that are no children of ours. Gives how many were there."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
            process.resume()
    _, stubborn = psutil.wait_procs(processes, timeout=grace_s)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)
    return len(processes)


def processes_with_env(name: str, below: Path) -> Iterator[psutil.Process]:
    """Living processes whose environment variable `name` is a path below the directory.

    This finds a node that was started again by somebody else (the portal, over SSH).
    """
    root = below.resolve()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            value = process.environ().get(name)
            if value and Path(value).resolve().is_relative_to(root):
                yield process
