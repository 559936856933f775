"""What Celery beat calls; see `services`."""

from __future__ import annotations

from celery import shared_task

from apps.collector.history.feed import history_feed
from apps.collector.services import collect, config_watch, maintain
from apps.common.time import utc_now
from apps.nodes.models import FigureKind


@shared_task
def collect_system_task() -> None:
    """Liveness and system figures of every node."""
    collect(kind=FigureKind.SYSTEM, at=utc_now())


@shared_task
def collect_workers_task() -> None:
    collect(kind=FigureKind.WORKERS, at=utc_now())


@shared_task
def collect_block_devices_task() -> None:
    collect(kind=FigureKind.BLOCK_DEVICES, at=utc_now())


@shared_task
def collect_containers_task() -> None:
    collect(kind=FigureKind.CONTAINERS, at=utc_now())


@shared_task
def config_watch_task() -> None:
    """Look at the configuration file and the host list."""
    config_watch(at=utc_now())


@shared_task
def history_feed_task() -> None:
    """Move what was collected into the history."""
    history_feed(at=utc_now())


@shared_task
def maintain_task() -> None:
    """Merge and remove history; delete samples that are too old."""
    maintain(at=utc_now())
