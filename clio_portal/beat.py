"""The scheduler of Celery beat: by the monotonic clock, and one at a time acts.

Celery's own schedulers reckon by the time of day, and one whose clock is put back an hour
sends nothing for an hour. And any number of beats may run here, for safety: they agree
through Redis on which one sends. The others take its place when it falls silent.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from django.conf import settings

from apps.common.time import utc_now
from clio_portal.signs import BEAT, EVERY_S, signs_give

log = structlog.get_logger(__name__)

LEADER_KEY = "clio_portal:beat"
"""Holds ``<who> <number>``; the number rises every second or so while a beat is alive."""
SILENT_S = 5.0
"""A leader whose number stands still for so long, by the own clock of who waits, is dead."""
RENEW_S = 1.0
KEPT_MS = 10 * 60 * 1000
REDIS_TIMEOUT_S = 3.0
SPREAD_S = 2.0
"""Within this time of each other the entries are sent: together they would keep the cores busy,
and pages waiting."""

# In one step: take the place if it is as it was seen.
TAKE = """
local now = redis.call('GET', KEYS[1]) or ''
if now ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

Clock = Callable[[], float]


class Leadership:
    """Whether this beat is the one that acts."""

    def __init__(self, client: redis.Redis, *, clock: Clock = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._take = client.register_script(TAKE)
        self._who = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._number = 0
        self._seen: tuple[str, float] | None = None
        self._looked = float("-inf")
        self.leads = False

    def check(self) -> bool:
        """Look at Redis when it is time. Without Redis nothing can be sent: nobody leads."""
        now = self._clock()
        if now - self._looked < RENEW_S:
            return self.leads
        self._looked = now
        try:
            leads = self._look(now)
        except redis.RedisError as error:
            log.warning("beat can't reach Redis", error=str(error))
            leads = False
        if leads is not self.leads:
            log.info("beat leads now" if leads else "another beat leads now", who=self._who)
        self.leads = leads
        return leads

    def leave(self) -> None:
        """Let another one lead at once."""
        if self.leads:
            self.leads = False
            try:
                self._take(keys=[LEADER_KEY], args=[self._mine(), "", 1])
            except redis.RedisError as error:
                log.warning("beat can't reach Redis", error=str(error))

    def _mine(self) -> str:
        return f"{self._who} {self._number}"

    def _look(self, now: float) -> bool:
        if self.leads and self._take_from(self._mine()):
            return True
        raw = self._client.get(LEADER_KEY)
        held = raw.decode() if isinstance(raw, bytes) else ""
        if not held:  # nobody, or Redis has lost its memory
            return self._take_from("")
        if self._seen is None or self._seen[0] != held:
            self._seen = (held, now)
            return False
        return now - self._seen[1] > SILENT_S and self._take_from(held)

    def _take_from(self, held: str) -> bool:
        mine = f"{self._who} {self._number + 1}"
        if not self._take(keys=[LEADER_KEY], args=[held, mine, KEPT_MS]):
            return False
        self._number += 1
        return True


class PortalScheduler(Scheduler):
    """Sends each entry of the schedule every so many seconds, the first time at once.

    From the second time on each has a moment of its own.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._due: dict[str, float] = {}
        self._sign_due = 0.0
        self._leadership: Leadership | None = None
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        super().setup_schedule()
        if settings.PORTAL_REDIS_URL:
            client = redis.Redis.from_url(
                settings.PORTAL_REDIS_URL,
                socket_timeout=REDIS_TIMEOUT_S,
                socket_connect_timeout=REDIS_TIMEOUT_S,
            )
            self._leadership = Leadership(client)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due. Seconds until something is due again, a renewal's time at most."""
        del args, kwargs
        if time.monotonic() >= self._sign_due:
            self._sign_due = time.monotonic() + EVERY_S
            signs_give([BEAT], at=utc_now())
        if self._leadership is not None and not self._leadership.check():
            self._due.clear()  # whoever begins to lead begins at once
            return RENEW_S / 2
        now = time.monotonic()
        entries: dict[str, ScheduleEntry] = self.schedule  # in no order of ours
        given: dict[str, dict[str, Any]] = self.app.conf.beat_schedule
        for place, name in enumerate(given):
            every_s: float = given[name]["schedule"]
            due = self._due.get(name)
            if due is None:
                self._due[name] = now + every_s + place / len(given) * SPREAD_S
            elif due <= now:
                # By the grid, so that it does not drift; what was missed is not made up for.
                self._due[name] = due + every_s * (1 + (now - due) // every_s)
            else:
                continue
            self._send(entries[name])
        soonest = min(self._due.values(), default=now + RENEW_S)
        return min(max(soonest - time.monotonic(), 0.0), RENEW_S / 2)

    def _send(self, entry: ScheduleEntry) -> None:
        try:
            self.apply_async(entry, producer=self.producer, advance=False)
        except (SchedulingError, OSError, redis.RedisError) as error:
            log.warning("beat could not send", task=entry.task, error=str(error))

    def close(self) -> None:
        if self._leadership is not None:
            self._leadership.leave()
        super().close()
