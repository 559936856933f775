"""The Celery application. Its schedule and queues come from the settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from celery import Celery, bootsteps, signals
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from kombu import Queue
from kombu.common import Broadcast
from kombu.utils.uuid import uuid

from clio_portal.settings.celery import TICKS_QUEUE
from clio_portal.warm import heap_settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clio_portal.settings")
# Celery would load every page to check it, and tell nobody what it found. `doctor` does tell.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

log = structlog.get_logger(__name__)

QUEUES = (
    *("collector", "history", "control"),
    *((TICKS_QUEUE,) if settings.PORTAL_REDIS_URL else ()),
)
"""Apart, so that a control job waits for no poll, and no poll for a control job, nor for the
history. A Celery worker serves the queues that its ``--queues`` names; the single mode's serves
all."""

HISTORY_NICENESS = 10
REQUEST_ID = "portal_request_id"
"""The message header that carries it."""


class PortalCelery(Celery):
    """Celery, where another process may have the broker: then `relay` hands tasks to that.

    It takes a task's name, arguments, keyword arguments and options, and raises a broker's error.
    """

    relay: Callable[[str, Sequence[Any], dict[str, Any], dict[str, Any]], None] | None = None

    def send_task(  # type: ignore[override]  # options by name only
        self, name: str, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        if self.relay is None:
            return super().send_task(name, args, kwargs, **options)
        options.setdefault("task_id", uuid())
        self.relay(name, args or (), kwargs or {}, options)
        return self.AsyncResult(options["task_id"])


app = PortalCelery("clio_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [
    # What is sent to the ticks reaches every Celery worker of the collector.
    Broadcast(name) if name == TICKS_QUEUE else Queue(name)
    for name in QUEUES
]
if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Else Celery connects anew for each task: a tenth of an idle portal's work. PostgreSQL has
    # few connections to give, and threads that do nothing would keep theirs.
    app.conf["CELERY_DB_REUSE_MAX"] = sys.maxsize
# Threads that did not make the app would otherwise get a default one, which speaks amqp.
app.set_default()


class SignStep(bootsteps.StartStopStep):
    """While it takes messages, a Celery worker says so, once for each queue that it serves.

    The timer runs in the loop that reads from the broker: a worker that hangs there, or
    can't reach the broker, falls silent.
    """

    requires = ("celery.worker.components:Timer",)

    def start(self, parent: Any) -> None:
        from apps.common.time import utc_now  # needs the apps to be loaded
        from clio_portal.signs import EVERY_S, signs_give, worker_role

        roles = [worker_role(queue) for queue in parent.app.amqp.queues.consume_from]

        def give() -> None:
            signs_give(roles, at=utc_now())

        give()
        self.repeated = parent.timer.call_repeatedly(EVERY_S, give)

    def stop(self, parent: Any) -> None:
        self.repeated.cancel()


app.steps["worker"].add(SignStep)


@signals.before_task_publish.connect
def _context_send(headers: dict[str, Any] | None = None, **kwargs: object) -> None:
    """A message takes along the id of the request that sends it."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if headers is not None and request_id:
        headers[REQUEST_ID] = request_id


@signals.task_prerun.connect
def _context_bind(task_id: str = "", task: Any = None, **kwargs: object) -> None:
    """What a task logs names it, and the request that it is done for."""
    context = {"task": task.name.rpartition(".")[2], "task_id": task_id}
    request_id = getattr(task.request, REQUEST_ID, None)
    if request_id:
        context["request_id"] = request_id
    task.request.portal_context = structlog.contextvars.bind_contextvars(**context)


@signals.task_prerun.connect
def _connections_check(**kwargs: object) -> None:
    """Threads live on: a database connection that broke, or is old, must not stay with one."""
    close_old_connections()


@signals.task_postrun.connect
def _context_unbind(task: Any = None, **kwargs: object) -> None:
    """As it was: the thread goes on to other work."""
    structlog.contextvars.reset_contextvars(**task.request.portal_context)


@signals.setup_logging.connect
def _logging_keep(**kwargs: object) -> None:
    """Having a receiver keeps Celery from setting up a log of its own: Django has done it."""


@signals.celeryd_after_setup.connect
def _worker_set_up(instance: object, **kwargs: object) -> None:
    """Whoever takes the collector's tasks takes its ticks, too; the history yields to all others.

    It works some seconds at a stretch, for which nobody waits: pages and polls do not get slower
    meanwhile.
    """
    queues = app.amqp.queues
    if set(queues.consume_from) == {"history"}:
        os.nice(HISTORY_NICENESS)
    if settings.PORTAL_REDIS_URL and "collector" in queues.consume_from:
        queues.select_add(queues[TICKS_QUEUE])


@signals.worker_ready.connect
def _worker_ready(**kwargs: object) -> None:
    """A round over a thousand nodes makes many objects: the search for garbage stays short."""
    heap_settle()


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def _worker_stopped(**kwargs: object) -> None:
    """Take leave of the runtimes, of which some count connections, and of the others who poll."""
    from apps.collector.services import collector_leave  # needs the apps to be loaded

    try:
        collector_leave()
    except DatabaseError as error:
        log.warning("the database does not know that this collector has left", error=str(error))
