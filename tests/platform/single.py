"""A portal in the single mode as a real process."""

from __future__ import annotations

import http.cookiejar
import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.platform.process import ROOT, environment
from tests.prepared import database_prepare

START_DEADLINE_S = 240.0
STOP_DEADLINE_S = 20.0
"""Generous: how quick it is on a quiet machine is a matter for the benchmarks."""


class SinglePortal:
    """Starts, waits until it serves, and is killed at the end of the `with` block."""

    def __init__(
        self, data_dir: Path, *, given: dict[str, str] | None = None, migrates: bool = False
    ) -> None:
        """`migrates`: it makes its tables itself, as on a first start."""
        self.data_dir = data_dir
        self.output = data_dir / "output.txt"
        # A runtime that can't be: nothing listens there, so no test talks to a stranger's.
        config = data_dir / "clio.yaml"
        config.write_text("networking:\n  port: 1\n")
        self._environment = environment({"CLIO_SERVER_CONF": str(config)} | (given or {}), data_dir)
        if not migrates and "CLIO_PORTAL_DATABASE_URL" not in (given or {}):
            database_prepare(data_dir)
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> SinglePortal:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def launch(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "clio_portal", *arguments],
                cwd=ROOT,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> None:
        self.output.write_bytes(b"")
        self.process = self.launch("--port", "0")
        until = time.monotonic() + START_DEADLINE_S
        while (found := re.search(r"is at (http://\S+/)", self.text())) is None:
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < until, self.text()
            time.sleep(0.05)
        self.url = found[1]

    def text(self) -> str:
        return self.output.read_text()

    def refused(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of a start that must not succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "clio_portal", *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=START_DEADLINE_S,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def manage(self, *arguments: str, text: str = "") -> Any:
        """What a management command on the same data prints, as JSON."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=START_DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def stop(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(STOP_DEADLINE_S)

    def background(self) -> psutil.Process:
        """Its child."""
        assert self.process is not None
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_DEADLINE_S)


def ended(process: psutil.Process) -> bool:
    """Within the time that a stop may take."""
    return not psutil.wait_procs([process], timeout=STOP_DEADLINE_S)[1]


@dataclass
class Answer:
    status: int
    url: str
    headers: Any
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Browser:
    """Keeps cookies and follows redirects."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )

    def get(self, path: str, **headers: str) -> Answer:
        return self._open(path, None, headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        return self._open(path, urllib.parse.urlencode(fields).encode(), headers)

    def sign_in(self, username: str, password: str) -> Answer:
        page = self.get("/accounts/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token is not None
        fields = {"username": username, "password": password, "csrfmiddlewaretoken": token[1]}
        return self.post("/accounts/login/?next=/api/docs", fields)

    def _open(self, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        address = self.url.rstrip("/") + path
        request = urllib.request.Request(address, data=body, headers=headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=30) as answer:
                return Answer(
                    answer.status, answer.url, answer.headers, answer.read().decode("utf-8")
                )
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.url, error.headers, error.read().decode("utf-8"))
