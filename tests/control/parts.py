"""The portal's parts as processes of their own: web, Celery workers, database and broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis

from demo.processes import process_spawn
from tests.platform.process import ROOT, environment
from tests.prepared import database_prepare
from tests.services import REDIS_URL

PATIENCE_S = 240.0
CLIO_RUN = """#!/bin/sh
# Stands in for clio_run; keeps count of how often it was run, and does as it was told.
echo "$1" >> {directory}/ran
echo $$ > {directory}/pid
case "$(cat {directory}/told)" in
  hang) sleep 300 ;;
  lines) seq 12000 ;;
  slow) while [ ! -e {directory}/go ]; do sleep 0.05; done; seq 100 ;;
esac
"""


def until(holds: Callable[[], bool], *, what: str) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up_at, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.05)


def broker_url() -> str:
    """A database of the same Redis that no other test sends to, nor another xdist worker."""
    where = urlsplit(REDIS_URL)
    of_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    number = (int(where.path.strip("/") or 0) + 10 + of_worker) % 16
    return urlunsplit(where._replace(path=f"/{number}"))


@dataclass
class Parts:
    """One installation. Ends everything that it started."""

    directory: Path
    database: str = ""
    """Its URL; empty: SQLite."""
    broker: str = field(default_factory=broker_url)
    given: dict[str, str] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _web: subprocess.Popen[str] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Parts:
        self.directory.mkdir(parents=True, exist_ok=True)
        program = self.directory / "clio_run"
        program.write_text(CLIO_RUN.format(directory=self.directory))
        program.chmod(0o755)
        self.tell("work")
        self.broker_empty()
        if self.database:
            self.run("manage.py", "migrate", "-v0", "--skip-checks")
        else:
            database_prepare(self.directory)
        self._web = self.web_start()
        return self

    def __exit__(self, *exc: object) -> None:
        for worker in self.workers:
            self.kill(worker)
        self._stack.close()
        self.broker_empty()

    def environment(self, **more: str) -> dict[str, str]:
        return environment(
            {
                "CLIO_PORTAL_REDIS_URL": self.broker,
                "CLIO_PORTAL_ACCESS_METHOD": "local",
                "CLIO_PORTAL_CLIO_RUN": str(self.directory / "clio_run"),
                "CLIO_PORTAL_LOG_LEVEL": "WARNING",
                **({"CLIO_PORTAL_DATABASE_URL": self.database} if self.database else {}),
                **self.given,
                **more,
            },
            self.directory,
        )

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    # --- the web process

    def web_start(self, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.control.driver"],
            cwd=ROOT,
            env=self.environment(**more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.directory / "web.log").open("ab"),
            text=True,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def ask(self, function: str, *arguments: Any, web: subprocess.Popen[str] | None = None) -> Any:
        process = web or self._web
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([function, arguments]) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer, (self.directory / "web.log").read_text()[-3000:]
        return json.loads(answer)

    def wait(self, pk: int, *statuses: str) -> dict[str, Any]:
        until(lambda: self.ask("job", pk)["status"] in statuses, what=f"job {pk} {statuses}")
        found: dict[str, Any] = self.ask("job", pk)
        return found

    # --- Celery workers

    def worker_start(self, *, concurrency: int = 1) -> subprocess.Popen[bytes]:
        log = self.directory / f"worker{len(self.workers)}.log"
        process = process_spawn(
            [
                *(sys.executable, "-m", "celery", "-A", "clio_portal", "worker", "-Q", "control"),
                *("-c", str(concurrency), "-P", "threads", "-n", f"w{len(self.workers)}@test"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO"),
            ],
            env=self.environment(),
            cwd=ROOT,
            log=log,
        )
        self.workers.append(process)
        return process

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGKILL: it can't say a word, nor can what it started in its own process group."""
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()

    # --- the node's machine

    def tell(self, what: str) -> None:
        """From now on `clio_run` works, hangs, waits for `go`, or talks a lot."""
        (self.directory / "told").write_text(what)

    def go(self) -> None:
        (self.directory / "go").touch()

    def ran(self) -> list[str]:
        path = self.directory / "ran"
        return path.read_text().split() if path.exists() else []

    def broker_empty(self) -> None:
        client = redis.Redis.from_url(self.broker)
        try:
            keys = client.keys("clio_portal:*")
            if keys:
                client.delete(*keys)
        finally:
            client.close()
