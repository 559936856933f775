"""Speaks for a running job to the database, from one thread.

A database that is away delays what is stored, never the command on the node: output and
looks wait here until it is back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from apps.control.models import ControlJob, JobStatus
from apps.control.remote.types import Line
from apps.control.services.progress import (
    Ending,
    Look,
    job_check_add,
    job_finish,
    job_heartbeat,
    job_lines_add,
    job_verify,
)

log = structlog.get_logger(__name__)

DATABASE_AWAY = (OperationalError, InterfaceError)
FLUSH_EVERY_S = 0.25
BEAT_EVERY_S = 1.0
STORE_AGAIN_S = 1.0
LINES_AT_ONCE = 2000

Clock = Callable[[], datetime]


class Keeper:
    """One per run of a job. Set `cancel` ends the command and the watch."""

    def __init__(self, job: ControlJob, *, clock: Clock) -> None:
        self.job = job
        self.cancel = threading.Event()
        self.canceled_by = ""
        self.lines_total = 0
        self._clock = clock
        self._lines: list[Line] = []
        self._looks: list[Look] = []
        self._verifying = False
        self._flush_due = 0.0
        self._beat_due = time.monotonic() + self._beat_every_s

    @property
    def _beat_every_s(self) -> float:
        lease_s: float = settings.PORTAL_JOB_LEASE_S
        return min(BEAT_EVERY_S, lease_s / 4)

    def line(self, line: Line) -> None:
        """Keep a line; its number goes on over all commands of the job."""
        self.lines_total += 1
        self._lines.append(replace(line, number=self.lines_total))

    def look(self, phase: str, found: str, *, reached: bool, boot: int | None = None) -> None:
        self._looks.append(
            Look(phase=phase, found=found, reached=reached, boot=boot, at=self._clock())
        )
        self._flush_due = 0.0

    def verifying(self) -> None:
        """The last command is done."""
        self._verifying = True
        self._flush_due = 0.0

    def tend(self) -> None:
        """Store what is due, say that the job is run, hear whether it is to be canceled."""
        now = time.monotonic()
        if now < self._flush_due and now < self._beat_due:
            return
        try:
            self._flush()
            if now >= self._beat_due:
                self._beat()
                self._beat_due = now + self._beat_every_s
        except DATABASE_AWAY as error:
            log.warning("the database is away", job=self.job.pk, error=str(error))
            connection.close_if_unusable_or_obsolete()
            self._beat_due = now + self._beat_every_s
        self._flush_due = now + FLUSH_EVERY_S

    def _flush(self) -> None:
        while self._lines:
            some = self._lines[:LINES_AT_ONCE]
            job_lines_add(self.job, some)
            del self._lines[: len(some)]
        while self._looks:
            job_check_add(self.job, self._looks[0])
            del self._looks[0]
        if self._verifying and self.job.status == JobStatus.RUNNING:
            job_verify(self.job, at=self._clock())
            self._verifying = False

    def _beat(self) -> None:
        heard = job_heartbeat(self.job, at=self._clock())
        if not heard.mine:
            log.warning("the job was closed while it ran", job=self.job.pk)
        if heard.cancel_by or not heard.mine:
            self.canceled_by = heard.cancel_by
            self.cancel.set()

    def finish(self, ending: Ending) -> bool:
        """Store the end, trying again for as long as PORTAL_JOB_STORE_LIMIT_S.

        False: it could not be stored as the job's end; what there is of it is in the log.
        """
        ending.unsaved_lines, ending.unsaved_looks = self._lines, self._looks
        until = time.monotonic() + settings.PORTAL_JOB_STORE_LIMIT_S
        while True:
            try:
                return job_finish(self.job, ending, at=self._clock())
            except DATABASE_AWAY as error:
                log.warning("a result can't be stored yet", job=self.job.pk, error=str(error))
                connection.close_if_unusable_or_obsolete()
            if time.monotonic() >= until:
                log.error("a result could not be stored", job=self.job.pk, ending=repr(ending))
                return False
            time.sleep(STORE_AGAIN_S)
