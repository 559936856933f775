"""Celery's worker and beat as threads of this process."""

from __future__ import annotations

import threading
import time

from celery.beat import Service
from celery.worker import state

from apps.collector.engine import engine_close
from clio_portal.beat import PortalScheduler
from clio_portal.celery import QUEUES, app

CONCURRENCY = 16
"""Threads are only made as tasks need them. Several control jobs may each take minutes."""
READY_DEADLINE_S = 20.0
LOOK_AGAIN_S = 0.05


class CeleryThreads:
    """Runs what beat schedules. Start once in a process's life: Celery keeps global state."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._worker = app.WorkController(
            app=app,
            pool_cls="threads",
            concurrency=CONCURRENCY,
            queues=list(QUEUES),
            hostname="single@portal",
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            ready_callback=self._on_ready,
        )
        self._thread = threading.Thread(target=self._worker.start, name="celery", daemon=True)
        self._beat = Service(app, max_interval=1, scheduler_cls=PortalScheduler)
        self._beat_thread = threading.Thread(target=self._beat.start, name="beat", daemon=True)

    def start(self) -> None:
        """Raises RuntimeError when the Celery worker does not come up."""
        self._thread.start()
        if not self._ready.wait(READY_DEADLINE_S):
            raise RuntimeError(f"it was not ready within {READY_DEADLINE_S:g} s")
        self._beat_thread.start()

    def stop(self, *, timeout_s: float) -> bool:
        """Begin nothing any more; True when all that was under way has ended in time.

        No message is lost that a row needs. The threads themselves go with the process: the
        Celery worker's takes up to four seconds to notice.
        """
        until = time.monotonic() + timeout_s
        self._beat.stop()
        state.should_terminate = 0  # type: ignore[assignment]  # an exit code
        engine_close()  # a round that waits for answers ends at once
        while state.active_requests and time.monotonic() < until:
            time.sleep(LOOK_AGAIN_S)
        engine_close()  # a task may have made a new one in between
        return not state.active_requests

    def _on_ready(self, consumer: object) -> None:
        self._ready.set()
