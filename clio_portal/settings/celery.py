"""Celery: the broker, and what beat sends how often."""

from __future__ import annotations

from typing import Any

from kombu import Exchange

from clio_portal.settings import portal
from clio_portal.settings.mode import PORTAL_MODE
from clio_portal.settings.storage import PORTAL_REDIS_URL

__all__ = [
    "CELERY_ACCEPT_CONTENT",
    "CELERY_BEAT_MAX_LOOP_INTERVAL",
    "CELERY_BEAT_SCHEDULE",
    "CELERY_BEAT_SCHEDULER",
    "CELERY_BROKER_CONNECTION_MAX_RETRIES",
    "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP",
    "CELERY_BROKER_TRANSPORT_OPTIONS",
    "CELERY_BROKER_URL",
    "CELERY_ENABLE_UTC",
    "CELERY_IMPORTS",
    "CELERY_RESULT_BACKEND",
    "CELERY_TASK_ALWAYS_EAGER",
    "CELERY_TASK_DEFAULT_QUEUE",
    "CELERY_TASK_IGNORE_RESULT",
    "CELERY_TASK_PUBLISH_RETRY",
    "CELERY_TASK_ROUTES",
    "CELERY_TASK_SERIALIZER",
    "CELERY_WORKER_CONCURRENCY",
    "CELERY_WORKER_ENABLE_REMOTE_CONTROL",
    "CELERY_WORKER_HIJACK_ROOT_LOGGER",
    "CELERY_WORKER_POOL",
    "CELERY_WORKER_PREFETCH_MULTIPLIER",
    "CELERY_WORKER_REDIRECT_STDOUTS",
    "CELERY_WORKER_SEND_TASK_EVENTS",
]

COLLECTOR_TASKS = "apps.collector.tasks."
CONTROL_TASKS = "apps.control.tasks."
AUDIT_TASKS = "apps.audit.tasks."
MAINTAIN_S = 60.0
HISTORY_FEED_S = 5.0
"""How often is looked whether there is something for the history; see the feed itself."""
TEND_S = 2.0
AUDIT_RETENTION_S = 6 * 3600.0


KEPT_S = 30.0
"""How long a message waits for a Celery worker. Beat and workers may be on machines whose clocks
differ: shorter, and a worker whose clock is ahead would take no message at all."""
TICKS_QUEUE = "collector_ticks"


def _tick(task: str, every_s: float) -> dict[str, Any]:
    """A beat entry for every Celery worker that polls: each asks its own share of the nodes.

    It goes to those that listen, and waits for nobody. Without Redis there is one worker.
    """
    to_all = {
        "queue": TICKS_QUEUE,
        "declare": [Exchange(TICKS_QUEUE, type="fanout")],
    }
    return {
        "task": COLLECTOR_TASKS + task,
        "schedule": every_s,
        "options": to_all if PORTAL_REDIS_URL else {"expires": every_s, "queue": "collector"},
    }


def _entry(task: str, every_s: float, *, queue: str = "collector") -> dict[str, Any]:
    """A beat entry for whichever Celery worker takes it."""
    return {
        "task": task,
        "schedule": every_s,
        "options": {"expires": max(every_s, KEPT_S), "queue": queue},
    }


CELERY_BROKER_URL = PORTAL_REDIS_URL or "memory://localhost/"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {"global_keyprefix": "clio_portal:", "socket_keepalive": True, "health_check_interval": 10}
    if PORTAL_REDIS_URL
    else {"polling_interval": 0.2}
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for as long as it takes
CELERY_TASK_PUBLISH_RETRY = False  # a web request must not wait for a broker that is away
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_ENABLE_UTC = True
CELERY_TASK_ALWAYS_EAGER = PORTAL_MODE == "test"
CELERY_TASK_DEFAULT_QUEUE = "collector"
CELERY_TASK_ROUTES = {
    "apps.audit.tasks.*": {"queue": "collector"},
    COLLECTOR_TASKS + "history_feed_task": {"queue": "history"},
    COLLECTOR_TASKS + "maintain_task": {"queue": "history"},
    "apps.collector.tasks.*": {"queue": "collector"},
    "apps.control.tasks.*": {"queue": "control"},
}
CELERY_IMPORTS = ["apps.audit.tasks", "apps.collector.tasks", "apps.control.tasks"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Threads: a process has one set of connections to the runtimes, and one memory of them. A
# further process takes a share of the nodes, not of the rounds.
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = 16
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BEAT_MAX_LOOP_INTERVAL = 60
CELERY_BEAT_SCHEDULER = "clio_portal.beat:PortalScheduler"
CELERY_BEAT_SCHEDULE = {
    "collect-system": _tick("collect_system_task", portal.PORTAL_POLL_SYSTEM_S),
    "collect-workers": _tick("collect_workers_task", portal.PORTAL_POLL_WORKERS_S),
    "collect-block-devices": _tick(
        "collect_block_devices_task", portal.PORTAL_POLL_BLOCK_DEVICES_S
    ),
    "collect-containers": _tick("collect_containers_task", portal.PORTAL_POLL_CONTAINERS_S),
    "config-watch": _entry(COLLECTOR_TASKS + "config_watch_task", portal.PORTAL_POLL_CONFIG_S),
    "history-feed": _entry(COLLECTOR_TASKS + "history_feed_task", HISTORY_FEED_S, queue="history"),
    "maintain": _entry(COLLECTOR_TASKS + "maintain_task", MAINTAIN_S, queue="history"),
    "audit-retention": _entry(AUDIT_TASKS + "audit_retention_task", AUDIT_RETENTION_S),
    # Not on the queue of the jobs: there it would wait for the jobs that it looks after.
    "control-tend": _entry(CONTROL_TASKS + "control_tend_task", TEND_S),
}
