"""Threads for requests: few while they are quick, more as soon as they all wait.

Requests are mostly Python, which one thread at a time can run: a second thread hides the
waits for the database, and more gain little. But a request may also wait for long, for a
control job's end, say; then the next must not wait behind it. So a thread is added when
no queued request was begun for a moment, and goes when it had nothing to do for a while.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

BASE_THREADS = 2
MOST_THREADS = 40
STALLED_S = 0.05
IDLE_S = 30.0

Work = Callable[[], None]


class ElasticThreads:
    """Runs callables; they must not raise. Never blocks the caller."""

    def __init__(self, *, name: str, base: int = BASE_THREADS, most: int = MOST_THREADS) -> None:
        self._name = name
        self._base = base
        self._most = most
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0
        self._begun = 0
        self._begun_before = 0

    @property
    def count(self) -> int:
        return self._count

    def submit(self, work: Work) -> None:
        self._queue.put(work)
        if self._count < self._base:
            self._add()

    def relieve(self) -> None:
        """Called every STALLED_S: adds a thread if the queue has not moved since the last call."""
        moved = self._begun != self._begun_before
        self._begun_before = self._begun
        if not moved and not self._queue.empty() and self._count < self._most:
            self._add()

    def close(self) -> None:
        """Threads end after the work they have; what is queued is not begun any more."""
        for _ in range(self._count):
            self._queue.put(None)

    def _add(self) -> None:
        with self._lock:
            self._count += 1
            name = f"{self._name}-{self._count}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                work = self._queue.get(timeout=IDLE_S)
            except queue.Empty:
                with self._lock:
                    if self._count <= self._base:
                        continue
                    self._count -= 1
                    return
            if work is None:
                with self._lock:
                    self._count -= 1
                return
            self._begun += 1
            work()
