"""The scheduler of Celery beat: it keeps no file, and says that it is alive."""

from __future__ import annotations

import time
from typing import Any

from celery.beat import Scheduler

from apps.common.time import utc_now
from clio_portal.signs import BEAT, EVERY_S, signs_give


class PortalScheduler(Scheduler):
    """Each start begins its rounds anew: what is due is found in the database, not here."""

    _sign_due = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due. Returns the seconds until the next call."""
        now = time.monotonic()
        if now >= self._sign_due:
            self._sign_due = now + EVERY_S
            signs_give([BEAT], at=utc_now())
        return min(float(super().tick(*args, **kwargs)), EVERY_S)
