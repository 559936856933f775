"""A site: nodes, the stack on a PostgreSQL and a Redis of its own, a supervisor, an observer."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from apps.runtime.queries import system_samples_read
from apps.runtime.types import Target
from apps.runtime.wire.client import WireClient
from chaos.clock import Clock
from chaos.observer import Observer, Truth
from chaos.processes import Child, wait_for
from chaos.services import Postgres, Redis
from chaos.stack import Answer, Stack

RESTART_AFTER_S = 2.0
"""The supervisor (systemd, or the compose file's ``restart:``) starts what ended."""
RIGHT_WITHIN_S = 120.0
WHOLE_WITHIN_S = 120.0
NEWEST_MAY_LACK = 10
"""Samples that a node took since the last round, and while this run asked."""
SETTINGS = {"CLIO_PORTAL_JOB_LEASE_S": "6", "CLIO_PORTAL_LOG_LEVEL": "INFO"}
"""A job's Celery worker that died is noticed after 16 s instead of 40."""


class Supervisor:
    """Starts again what has ended, unless it is held down on purpose."""

    def __init__(self) -> None:
        self.children: list[Child] = []
        self._held: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        seen: dict[str, float] = {}
        while not self._ended.wait(0.2):
            for child in list(self.children):
                if child.is_alive() or child.name in self._held:
                    seen.pop(child.name, None)
                elif time.monotonic() - seen.setdefault(child.name, time.monotonic()) > (
                    RESTART_AFTER_S
                ):
                    child.start()

    @contextlib.contextmanager
    def held(self, child: Child) -> Iterator[None]:
        """It stays down meanwhile."""
        self._held.add(child.name)
        try:
            yield
        finally:
            self._held.discard(child.name)


class Site:
    """Everything runs within `with`."""

    def __init__(
        self,
        directory: Path,
        *,
        hostfile: Path,
        targets: list[Target],
        given: Mapping[str, str] | None = None,
        postgres_at: Path | None = None,
        collectors: int = 2,
        compare: bool = True,
    ) -> None:
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)
        self.directory, self.targets, self.compare = directory, targets, compare
        self.clock = Clock(directory)
        self.postgres = Postgres(postgres_at or directory, log=directory / "postgres.log")
        self.redis = Redis(directory, log=directory / "redis.log")
        self.stack = Stack(
            directory,
            database_url=self.postgres.url,
            redis_url=self.redis.url,
            hostfile=hostfile,
            collectors=collectors,
            beats=2,
            given=SETTINGS | self.clock.environment() | dict(given or {}),
        )
        self.truth = Truth()
        self.observer = Observer(self.stack, self.truth, node_count=len(targets))
        self.supervisor = Supervisor()
        self.audit_head = ""
        self.jobs: dict[str, int] = {}
        """Reason → how often it was launched: each of them once."""

    def __enter__(self) -> Site:
        try:
            self.postgres.start()
            self.postgres.create()
            self.redis.start()
            self.stack.prepare()
            self.stack.start()
            self.supervisor.children = [
                *self.stack.children,
                self.postgres.child,
                self.redis.child,
            ]
            self.supervisor.start()
            self.observer.start()
            self.observer.until(lambda look: look.is_right, within_s=600, what="all is right")
            self.ready(within_s=600)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def _end(self) -> None:
        if self.observer.latest is not None:
            self.observer.stop()
            self.supervisor.stop()
        self.stack.stop()
        self.redis.child.stop()
        self.postgres.stop()

    # --- what is looked at

    def read(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url, connect_timeout=3) as database:
            return database.execute(query, values or None).fetchall()

    def ready(self, *, within_s: float = RIGHT_WITHIN_S) -> float:
        """Seconds until every part says that it does its work."""
        answer: list[Answer] = []

        def met() -> bool:
            answer[:] = [self.stack.get("/readyz")]
            return answer[0].status == 200

        try:
            return wait_for(met, within_s=within_s, what="/readyz", every_s=0.5)
        except TimeoutError as error:
            raise TimeoutError(f"{error} {answer}") from error

    def right(self) -> float:
        """Seconds until everything is as it was, without hands."""
        began = time.monotonic()
        self.observer.until(
            lambda look: look.is_right, within_s=RIGHT_WITHIN_S, what="all nodes are well"
        )
        self.ready()
        return time.monotonic() - began

    def samples_whole(self) -> str:
        """What is stored of each node's process has no hole, nothing twice, and holds all that
        the node itself still has. Raises TimeoutError.
        """
        found: list[str] = []

        def met() -> bool:
            found[:] = self._holes()
            return not found

        try:
            wait_for(met, within_s=WHOLE_WITHIN_S, what="all samples are stored", every_s=2.0)
        except TimeoutError as error:
            raise TimeoutError(f"{error} {found[:3]}") from error
        count = self.read("SELECT sum(jsonb_array_length(entries)) FROM nodes_samplechunk")[0][0]
        return f"all {count} kept"

    def _holes(self) -> list[str]:
        rows = self.read(
            "SELECT n.node_id, c.boot, c.first_event_id, c.last_event_id, "
            "jsonb_array_length(c.entries) FROM nodes_samplechunk c JOIN nodes_node n "
            "ON n.id = c.node_id WHERE n.retired_at IS NULL ORDER BY 1, 2, 3"
        )
        spans: dict[tuple[int, int], tuple[int, int]] = {}
        wrong: list[str] = []
        for node_id, boot, first, last, count in rows:
            low, high = spans.get((node_id, boot), (first, first - 1))
            if first != high + 1 or count != last - first + 1:
                wrong.append(f"node {node_id}: {first}-{last} ({count}) follows {high}")
            spans[node_id, boot] = (low, last)
        return wrong + (self._behind(spans) if self.compare else [])

    def _behind(self, spans: dict[tuple[int, int], tuple[int, int]]) -> list[str]:
        boots = dict(self.read("SELECT node_id, boot FROM nodes_node WHERE retired_at IS NULL"))
        wrong = []
        with WireClient() as client:
            for target in self.targets:
                ring = [sample.event_id for sample in system_samples_read(client, target)]
                low, high = spans.get((target.node_id, boots[target.node_id]), (0, -1))
                if ring[-1] - high > NEWEST_MAY_LACK:
                    wrong.append(f"node {target.node_id} is at {ring[-1]}, stored is {high}")
                if low > max(ring[0], 0):
                    wrong.append(f"node {target.node_id} has {ring[0]}, stored begins at {low}")
        return wrong

    def history_whole(self) -> None:
        """The history has taken what was collected. Raises TimeoutError."""
        wait_for(
            lambda: self.read(
                "SELECT 1 FROM collector_historyfeed f "
                "WHERE f.chunk_position >= (SELECT max(id) - 200 FROM nodes_samplechunk)"
            ),
            within_s=WHOLE_WITHIN_S,
            what="the history is fed",
            every_s=1.0,
        )

    def audit_intact(self) -> str:
        """Raises CalledProcessError when the chain is broken or lacks what it had before."""
        expect = ["--expect", self.audit_head] if self.audit_head else []
        told = self.stack.manage("verify_audit", *expect)
        head = told.rpartition("head ")[2].split()[0]
        self.audit_head = head if len(head.partition(":")[2]) == 64 else ""
        return "intact"

    # --- what is done

    def clock_set(self, offset_s: int) -> None:
        """The portal's clock differs from the right one by so much from now on."""
        self.clock.set(offset_s)
        time.sleep(1.1)

    def launch(self, node_id: int, action: str, *, reason: str) -> Answer:
        answer = self.stack.ask(
            "POST", f"/api/topology/node/{node_id}/{action}?wait=0", {"reason": reason}
        )
        self.jobs[reason] = self.jobs.get(reason, 0) + 1
        return answer

    def job(self, reason: str) -> tuple[str, int, int] | None:
        """Status, how often it began, how many rows have that reason."""
        rows = self.read(
            "SELECT j.status, (SELECT count(*) FROM control_jobtransition t WHERE t.job_id = j.id "
            "AND t.to_status = 'running') FROM control_controljob j WHERE j.reason = %s",
            reason,
        )
        return (rows[0][0], rows[0][1], len(rows)) if rows else None

    def jobs_once(self) -> str:
        """Raises AssertionError when any job began twice."""
        twice = self.read(JOBS_TWICE)
        if twice:
            raise AssertionError(f"jobs began twice: {twice}")
        return "none twice"

    def job_ends(self, reason: str, *, within_s: float = 120) -> str:
        """Its final status. Raises TimeoutError, or AssertionError when it ran twice."""

        def met() -> bool:
            found = self.job(reason)
            return found is not None and found[0] not in ("queued", "running", "verifying")

        def safely() -> bool:
            with contextlib.suppress(psycopg.Error):
                return met()
            return False

        wait_for(safely, within_s=within_s, what=f"the job “{reason}” has ended", every_s=0.5)
        found = self.job(reason)
        if found is None or found[1] > 1 or found[2] != self.jobs[reason]:
            raise AssertionError(f"the job “{reason}” is there or began more than once: {found}")
        return found[0]


JOBS_TWICE = (
    "SELECT job_id, count(*) FROM control_jobtransition WHERE to_status = 'running' "
    "GROUP BY 1 HAVING count(*) > 1"
)


def manage_failed(error: subprocess.CalledProcessError) -> str:
    return f"{error.stdout}{error.stderr}"[-500:]
