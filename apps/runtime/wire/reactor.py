"""One thread's loop: ZeroMQ sockets, timers, and work handed over by other threads.

Sockets are watched by their file descriptors in one selector, so a round costs what
is ready, not what is open: a thousand silent runtimes cost nothing.
"""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import zmq

Work = Callable[[], None]
Socket = zmq.Socket[bytes]

LONGEST_WAIT_S = 60.0


@dataclass(slots=True, eq=False)
class Timer:
    """Work due at ``at`` (monotonic seconds). ``cancel`` drops it."""

    at: float
    work: Work | None

    def cancel(self) -> None:
        self.work = None


class Reactor:
    """`run` is the thread's body; `post` and `stop` may be called from any thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._inbox: deque[Work] = deque()
        self._lock = threading.Lock()
        self._woken = False
        self._open = True
        self._drains: dict[int, Work] = {}
        self._rechecks: set[int] = set()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()

    # --- from any thread

    def post(self, work: Work) -> bool:
        """Have the thread do ``work`` soon. False: it has stopped, and won't."""
        with self._lock:
            if not self._open:
                return False
            self._inbox.append(work)
            if not self._woken:
                self._woken = True
                os.write(self._wake_write, b"w")
            return True

    def stop(self) -> None:
        """End `run` after the work that was posted before."""
        self.post(self._refuse_more)

    # --- from the reactor's thread

    def after(self, delay_s: float, work: Work) -> Timer:
        timer = Timer(time.monotonic() + delay_s, work)
        heapq.heappush(self._timers, (timer.at, next(self._order), timer))
        return timer

    def watch(self, socket: Socket, drain: Work) -> None:
        """Call ``drain`` when there may be something to receive; it must receive until EAGAIN."""
        descriptor = int(socket.fd)
        self._selector.register(descriptor, selectors.EVENT_READ, drain)
        self._drains[descriptor] = drain
        self._rechecks.add(descriptor)

    def unwatch(self, socket: Socket) -> None:
        """Before the socket is closed: its descriptor's number will be used again."""
        descriptor = int(socket.fd)
        self._rechecks.discard(descriptor)
        if self._drains.pop(descriptor, None) is not None:
            self._selector.unregister(descriptor)

    def recheck(self, socket: Socket) -> None:
        """After a send, bind or look at a watched socket: those may eat its wake-up."""
        descriptor = int(socket.fd)
        if descriptor in self._drains:
            self._rechecks.add(descriptor)

    def run(self) -> None:
        """Serve until `stop`. What the work raises ends the loop and comes out of here."""
        while self._open:
            self._drain_rechecks()
            for key, _ in self._selector.select(self._wait_s()):
                drain = self._drains.get(key.fd)
                if key.fd == self._wake_read:
                    os.read(self._wake_read, 4096)
                elif drain is not None and drain is key.data:  # else closed a moment ago
                    drain()
            self._run_inbox()
            self._run_timers()

    def refuse(self) -> None:
        """Take no more work; what was posted and not done is done now."""
        self._refuse_more()
        self._run_inbox()

    def close(self) -> None:
        """Release the descriptors, after `run` has ended and all sockets are unwatched."""
        with self._lock:
            self._selector.close()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _refuse_more(self) -> None:
        with self._lock:
            self._open = False

    def _wait_s(self) -> float:
        if self._rechecks:
            return 0.0
        while self._timers and self._timers[0][2].work is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return LONGEST_WAIT_S
        return min(max(0.0, self._timers[0][0] - time.monotonic()), LONGEST_WAIT_S)

    def _drain_rechecks(self) -> None:
        while self._rechecks:
            drain = self._drains.get(self._rechecks.pop())
            if drain is not None:
                drain()

    def _run_inbox(self) -> None:
        with self._lock:
            self._woken = False
            posted = len(self._inbox)
        for _ in range(posted):
            self._inbox.popleft()()

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            work = heapq.heappop(self._timers)[2].work
            if work is not None:
                work()
