"""A PostgreSQL and a Redis of a run's own, so that killing them hurts nobody."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
import redis

from chaos.processes import Child, free_port, wait_for

START_WITHIN_S = 60.0
POSTGRES_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class ServiceMissing(RuntimeError):
    """A server's program is not installed."""


def _postgres(program: str) -> str:
    found = shutil.which(program)
    if found is None and POSTGRES_BINARIES:
        found = str(POSTGRES_BINARIES[-1] / program)
    if found is None or not Path(found).exists():
        raise ServiceMissing(f"{program} is not installed (on Debian: apt install postgresql).")
    return found


class Postgres:
    """Its data is in `directory`, which it makes. As root it runs as the user postgres."""

    def __init__(
        self, directory: Path, *, log: Path, settings: dict[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self.data = directory / "postgres"
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/portal"
        user = "postgres" if os.geteuid() == 0 else None
        self._make(user)
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "128MB",
            **(settings or {}),
        }
        command = [_postgres("postgres"), "-D", str(self.data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        self.child = Child("PostgreSQL", command, log, os.environ, self.data, user=user)

    def _make(self, user: str | None) -> None:
        self.data.mkdir(mode=0o700)
        if user:
            shutil.chown(self.data, user, user)
        subprocess.run(
            [
                *(_postgres("initdb"), "-D", str(self.data), "-U", "postgres"),
                *("-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=self.data,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )

    def start(self) -> None:
        self.child.start()
        wait_for(self.answers, within_s=START_WITHIN_S, what="PostgreSQL answers")

    def create(self) -> None:
        with psycopg.connect(self.url.replace("/portal", "/postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE portal")

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url.replace("/portal", "/postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def stop(self) -> None:
        """At once, but in order: open connections are ended."""
        self.child.stop(signal.SIGINT)


class Redis:
    """Keeps nothing on disk: what it held is lost with the process."""

    def __init__(self, directory: Path, *, log: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise ServiceMissing("redis-server is not installed (on Debian: apt install redis).")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", str(directory)]
        self.child = Child("Redis", command, log, os.environ, directory)

    def start(self) -> None:
        self.child.start()
        wait_for(self.answers, within_s=START_WITHIN_S, what="Redis answers")

    def answers(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.url).ping())
        except redis.RedisError:
            return False
