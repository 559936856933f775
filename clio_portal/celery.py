"""The Celery application. Its schedule and queues come from the settings."""

from __future__ import annotations

import os

from celery import Celery, signals
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clio_portal.settings")

QUEUES = ("collector", "control")

app = Celery("clio_portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [Queue(name) for name in QUEUES]
# Threads that did not make the app would otherwise get a default one, which speaks amqp.
app.set_default()


@signals.worker_process_shutdown.connect
@signals.worker_shutdown.connect
def _worker_stopped(**kwargs: object) -> None:
    """Take leave of the runtimes, of which some count connections."""
    from apps.collector.engine import engine_close  # needs the apps to be loaded

    engine_close()
