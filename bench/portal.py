"""A portal of its own to measure: `python -m clio_portal` on an empty data directory."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

START_WITHIN_S = 60.0


@dataclass(slots=True)
class Portal:
    """A portal that answers; `token` is a viewer's."""

    url: str
    token: str
    process: psutil.Process
    database: Path

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON body."""
        request = urllib.request.Request(  # noqa: S310 - the URL is this portal's own
            self.url + path, headers={"Authorization": f"Token {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def calls_total(self) -> int:
        """Calls to runtimes since the collector's start."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return int(
                database.execute("SELECT SUM(calls_total) FROM collector_pollround").fetchone()[0]
            )

    def cpu_s(self) -> float:
        """CPU time of the whole process tree so far."""
        tree = [self.process, *self.process.children(recursive=True)]
        times = [process.cpu_times() for process in tree]
        return sum(used.user + used.system for used in times)

    def wait_for_states(self, **wanted: int) -> None:
        """Until the topology counts so many nodes in each of these states."""
        until = time.monotonic() + START_WITHIN_S
        counts: Any = None
        while time.monotonic() < until:
            _, body = self.get("/api/topology")
            counts = body["counts"]
            if all(counts.get(state) == count for state, count in wanted.items()):
                return
            time.sleep(0.2)
        raise SystemExit(f"The nodes' states should have become {wanted}, but are {counts}.")


@contextmanager
def portal_started(directory: Path, hostfile: Path) -> Iterator[Portal]:
    """Its log goes to `directory`/portal.log."""
    data = directory / "portal"
    data.mkdir()
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLIO_", "CHI_", "CONTAINER_", "DJANGO_"))
    }
    environment = clean | {
        "CLIO_PORTAL_DATA_DIR": str(data),
        "CONTAINER_HOSTFILE": str(hostfile),
        "HOME": str(directory),
        # One token asks for everybody: its requests are counted, but none is refused.
        "CLIO_PORTAL_RATE_TOKEN": "1000000000",
        "CLIO_PORTAL_RATE_USER": "1000000000",
    }
    port = _free_port()
    command = [sys.executable, "-m", "clio_portal", "--port", str(port)]
    with (directory / "portal.log").open("w") as log:
        # A session of its own, as a service has: Linux shares the cores out by session.
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/healthz", process, directory / "portal.log")
        token = _token(environment)
        yield Portal(url, token, psutil.Process(process.pid), data / "portal.sqlite3")
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"The portal did not start:\n{log.read_text()[-2000:]}")


def _token(environment: dict[str, str]) -> str:
    command = [sys.executable, "manage.py", "portal_account", "--username", "bench"]
    command += ["--role", "viewer", "--service", "--token-name", "bench", "--json"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    token: str = json.loads(done.stdout.splitlines()[-1])["token"]
    return token
