"""What Celery beat calls; see `services`."""

from __future__ import annotations

from celery import shared_task

from apps.collector.engine import engine_get
from apps.collector.history.feed import history_feed
from apps.collector.services import collect, config_watch, maintain
from apps.common.time import utc_now
from apps.nodes.freshness import interval_s
from apps.nodes.models import FigureKind


def _collect(kind: str) -> None:
    engine = engine_get()
    if not engine.is_due(kind, every_s=interval_s(kind)):
        return
    if kind != FigureKind.SYSTEM:
        engine.live_begins()
    collect(kind=kind, at=utc_now())


@shared_task
def collect_system_task() -> None:
    """Liveness and system figures of this process's share of the nodes."""
    _collect(FigureKind.SYSTEM)


@shared_task
def collect_workers_task() -> None:
    _collect(FigureKind.WORKERS)


@shared_task
def collect_block_devices_task() -> None:
    _collect(FigureKind.BLOCK_DEVICES)


@shared_task
def collect_containers_task() -> None:
    _collect(FigureKind.CONTAINERS)


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
