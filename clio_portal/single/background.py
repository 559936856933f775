"""Celery's worker and beat as threads of this process."""

from __future__ import annotations

import threading
import time

import redis
import structlog
from celery.beat import Service
from celery.worker import state
from django.conf import settings

from clio_portal.beat import PortalScheduler
from clio_portal.celery import QUEUES, app

log = structlog.get_logger(__name__)

CONCURRENCY = 16
"""Threads are only made as tasks need them. Several control jobs may each take minutes."""
READY_DEADLINE_S = 20.0
BROKER_DEADLINE_S = 3.0


def broker_check() -> None:
    """Raises RuntimeError when there should be a broker and it does not answer."""
    if not settings.PORTAL_REDIS_URL:
        return
    client = redis.Redis.from_url(
        settings.PORTAL_REDIS_URL, socket_connect_timeout=BROKER_DEADLINE_S
    )
    try:
        client.ping()
    except redis.RedisError as error:
        raise RuntimeError(
            f"The broker of CLIO_PORTAL_REDIS_URL does not answer: {error}\n"
            "Start it, or unset the variable: the portal then does without."
        ) from error
    finally:
        client.close()


class Background:
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
            raise RuntimeError("The Celery worker did not start; see the log above.")
        self._beat_thread.start()

    def stop(self, *, timeout_s: float) -> bool:
        """Ask both to end; True when they did in time. No message is lost that a row needs."""
        until = time.monotonic() + timeout_s
        self._beat.stop()
        state.should_terminate = 0  # type: ignore[assignment]  # an exit code
        self._thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive()

    def is_alive(self) -> bool:
        return self._thread.is_alive() and self._beat_thread.is_alive()

    def _on_ready(self, consumer: object) -> None:
        self._ready.set()
