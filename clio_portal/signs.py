"""Signs of life of the processes that nobody talks to: beat and the Celery workers.

A sign is an entry in the shared cache that dies by itself, and, where one is configured, a
file that is touched: the container's health check looks at that.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import redis
import structlog
from django.conf import settings
from django.core.cache import caches

log = structlog.get_logger(__name__)

EVERY_S = 5.0
LASTS_S = 30
BEAT = "beat"


class SignsUnreadable(Exception):
    """The shared cache does not answer, so nobody knows who is alive."""


def worker_role(queue: str) -> str:
    """The role of a Celery worker that serves this queue."""
    return f"worker.{queue}"


def signs_give(roles: Iterable[str], *, at: datetime) -> bool:
    """Say that a process with these roles is alive. False: the shared cache did not hear it."""
    if settings.PORTAL_ALIVE_FILE:
        Path(settings.PORTAL_ALIVE_FILE).touch()
    try:
        caches["signs"].set_many({_key(role): at.timestamp() for role in roles}, LASTS_S)
    except (redis.RedisError, OSError) as error:
        log.warning("no sign of life could be given", error=str(error))
        return False
    return True


def signs_read(roles: Iterable[str]) -> dict[str, float | None]:
    """Role → Unix time of its last sign; ``None``: there was none within LASTS_S.

    Raises SignsUnreadable.
    """
    wanted = list(roles)
    try:
        found = caches["signs"].get_many([_key(role) for role in wanted])
    except (redis.RedisError, OSError) as error:
        raise SignsUnreadable(str(error)) from error
    return {role: found.get(_key(role)) for role in wanted}


def _key(role: str) -> str:
    return f"sign:{role}"
