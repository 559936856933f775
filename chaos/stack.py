"""The stack's processes: web, Celery workers for collector, history and control, beat.

The same commands as in docker-compose.yml, on a PostgreSQL and a Redis given by URL.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.processes import Child, free_port, wait_for

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CELERY = [str(BIN / "celery"), "-A", "clio_portal"]
WORKER = ["--pool", "threads", "--concurrency", "16"]
WORKER += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
START_WITHIN_S = 300.0
ASK_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` 0: nothing answered."""

    status: int
    body: Any = None


class Stack:
    """Make it, `prepare` the database, then start its parts."""

    def __init__(
        self,
        directory: Path,
        *,
        database_url: str,
        redis_url: str,
        hostfile: Path,
        collectors: int = 2,
        beats: int = 1,
        web_processes: int = 2,
        given: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        data = directory / "data"
        data.mkdir(exist_ok=True)
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CLIO_", "CHI_", "CONTAINER_", "DJANGO_"))
        }
        self.env = clean | {
            "MALLOC_ARENA_MAX": "1",  # as the image and the units have it
            "CLIO_PORTAL_MODE": "production",
            "CLIO_PORTAL_SECRET_KEY": secrets.token_urlsafe(64),
            "CLIO_PORTAL_HTTPS": "false",
            "CLIO_PORTAL_ALLOWED_HOSTS": "127.0.0.1",
            "CLIO_PORTAL_DATA_DIR": str(data),
            "CLIO_PORTAL_BIND": f"127.0.0.1:{self.port}",
            "WEB_CONCURRENCY": str(web_processes),
            "CLIO_PORTAL_DATABASE_URL": database_url,
            "CLIO_PORTAL_REDIS_URL": redis_url,
            "CONTAINER_HOSTFILE": str(hostfile),
            "HOME": str(directory),
            **(given or {}),
        }
        self.web = self._child(
            "web",
            [
                *(str(BIN / "gunicorn"), "--config", "deploy/gunicorn.conf.py"),
                "clio_portal.wsgi",
            ],
        )
        self.collectors = [self.collector(number) for number in range(collectors)]
        self.control = self._child(
            "control", [*CELERY, "worker", "-Q", "control", "-n", "control@%h", *WORKER]
        )
        self.history = self._child(
            "history", [*CELERY, "worker", "-Q", "history", "-n", "history@%h", *WORKER]
        )
        self.beats = [self._child(f"beat-{number}", [*CELERY, "beat"]) for number in range(beats)]
        self.token = ""

    def collector(self, number: int) -> Child:
        """One more Celery worker that polls; not started."""
        name = f"collector-{number}"
        return self._child(
            name, [*CELERY, "worker", "-Q", "collector", "-n", f"{name}@%h", *WORKER]
        )

    def _child(self, name: str, command: list[str]) -> Child:
        return Child(name, command, self.directory / f"{name}.log", self.env, ROOT)

    @property
    def children(self) -> list[Child]:
        return [*self.beats, *self.collectors, self.history, self.control, self.web]

    def manage(self, *words: str, text: str | None = None) -> str:
        """`manage.py …`, given `text`; what it printed. Raises CalledProcessError."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.env,
            input=text,
            check=True,
            capture_output=True,
            text=True,
            timeout=900,
        )
        return done.stdout

    def prepare(self, *, role: str = "administrator") -> None:
        """Tables, static files, and a token for the run."""
        self.manage("migrate", "--verbosity", "0")
        if not _statics_are_collected():
            self.manage("collectstatic", "--no-input", "--verbosity", "0")
        self.token = self.account("chaos", role=role)

    def account(self, name: str, *, role: str) -> str:
        """A service account's token."""
        told = self.manage(
            *("portal_account", "--username", name, "--role", role),
            *("--service", "--token-name", name, "--json"),
        )
        token: str = json.loads(told.splitlines()[-1])["token"]
        return token

    def start(self) -> None:
        for child in self.children:
            child.start()
        wait_for(
            lambda: self.get("/healthz").status == 200,
            within_s=START_WITHIN_S,
            what="the web server answers",
        )

    def stop(self) -> None:
        for child in self.children:
            child.signal_all(15)
        for child in self.children:
            child.stop()

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """One request with the token; a JSON answer is read."""
        headers = {"Authorization": f"Token {self.token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(  # noqa: S310 - the URL is the stack's own
            self.url + path, data=data, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=ASK_WITHIN_S) as answer:  # noqa: S310
                return Answer(answer.status, _json(answer.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _json(error.read()))
        except (OSError, TimeoutError):
            return Answer(0)


def _statics_are_collected() -> bool:
    manifest = ROOT / "staticfiles" / "staticfiles.json"
    newest = max(path.stat().st_mtime for path in (ROOT / "static").rglob("*"))
    return manifest.exists() and manifest.stat().st_mtime > newest


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
