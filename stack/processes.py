"""The same process list without containers: commands and environment of the compose file.

PostgreSQL and Redis are those that the tests use (CLIO_PORTAL_TEST_POSTGRES_URL and
CLIO_PORTAL_TEST_REDIS_URL); the nodes are real ones on loopback, which the portal reaches by a
real sshd.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import yaml
from psycopg import sql

from demo.local_cluster import LocalCluster
from demo.runtimes import runtime_install
from stack.client import ScenarioError
from stack.compose import FILE, free_port
from stack.engine import REPOSITORY, run

SERVICES = ("web", "collector", "history", "control", "beat")
PREPARE = "prepare"
STOP_S = 45.0
READY_S = 20.0
VARIABLE = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")
POSTGRES_URL = os.environ.get(
    "CLIO_PORTAL_TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"
)
REDIS_URL = os.environ.get("CLIO_PORTAL_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")


def compose_services(given: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The compose file's services with their variables filled from `given`."""
    text = VARIABLE.sub(lambda found: given.get(found[1]) or found[2] or "", FILE.read_text())
    services: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return services


class ProcessStack:
    """`with ProcessStack() as stack`: all processes run; all are gone at the end."""

    def __init__(self, *, say: Callable[[str], None]) -> None:
        self._say = say
        self._folder = Path(tempfile.mkdtemp(prefix="clio-stack-"))
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        secret = secrets.token_urlsafe(64)
        self.secrets: Sequence[str] = [secret]
        self._database = f"clio_stack_{secrets.token_hex(4)}"
        self._services = compose_services({"CLIO_PORTAL_SECRET_KEY": secret})
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._cluster: LocalCluster | None = None
        self._sshd: subprocess.Popen[bytes] | None = None
        self._own: dict[str, str] = {}

    def __enter__(self) -> ProcessStack:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop()

    def manage(self, *arguments: str, text: str | None = None) -> tuple[int, str]:
        argv = [sys.executable, "manage.py", *arguments]
        done = run(argv, timeout_s=600, env=self._env("control"), text=text, check=False)
        return done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def node_is_there(self, node_id: int) -> bool:
        return self._sshd is not None and self._sshd.poll() is None

    def logs(self) -> dict[str, str]:
        return {path.stem: path.read_text() for path in self._folder.glob("*.log")}

    def _start(self) -> None:
        with psycopg.connect(POSTGRES_URL, autocommit=True) as server:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._database)))
        clio_run = runtime_install("2.3.2")
        self._cluster = LocalCluster(self._folder / "cluster", clio_run=clio_run).start()
        self._own = self._settings(self._cluster)
        prepared = run(self._argv(PREPARE), timeout_s=600, env=self._env(PREPARE))
        self._say(prepared.stdout.strip().splitlines()[-1].strip())
        static = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
        run(static, timeout_s=600, env=self._env(PREPARE))
        for name in SERVICES:
            with (self._folder / f"{name}.log").open("wb") as log:
                self._running[name] = subprocess.Popen(
                    self._argv(name),
                    cwd=REPOSITORY,
                    env=self._env(name),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        self._say(f"started as plain processes: {', '.join(SERVICES)}")

    def _argv(self, service: str) -> list[str]:
        """Its command, with the programs of this environment."""
        program, *rest = [str(word) for word in self._services[service]["command"]]
        return [str(Path(sys.executable).parent / program), *rest]

    def _env(self, service: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CLIO_", "CHI_", "CONTAINER_HOSTFILE", "DJANGO_"))
        }
        own = dict(self._own)
        environment = self._services[service]["environment"]
        given = {name: str(value) for name, value in environment.items()}
        if "CLIO_PORTAL_ALIVE_FILE" in given:
            own["CLIO_PORTAL_ALIVE_FILE"] = str(self._folder / f"{service}.alive")
        return kept | given | own

    def _settings(self, cluster: LocalCluster) -> dict[str, str]:
        """What is elsewhere than in containers: addresses and folders."""
        parts = urlsplit(POSTGRES_URL)
        data = self._folder / "data"
        access, key = self._access(cluster)
        return {
            "CLIO_PORTAL_DATABASE_URL": urlunsplit(parts._replace(path=f"/{self._database}")),
            "CLIO_PORTAL_REDIS_URL": REDIS_URL,
            "CLIO_PORTAL_DATA_DIR": str(data),
            "CLIO_SERVER_CONF": str(cluster.config),
            "CLIO_PORTAL_ACCESS_FILE": str(access),
            "CLIO_PORTAL_SSH_KEY_FILE": str(key),
            "CLIO_PORTAL_ALLOWED_HOSTS": "127.0.0.1",
            "CLIO_PORTAL_HTTPS": "false",
            "CLIO_PORTAL_BIND": f"127.0.0.1:{self._port}",
        }

    def _access(self, cluster: LocalCluster) -> tuple[Path, Path]:
        """An sshd on loopback, and the access file that leads there. The file and the key."""
        folder = self._folder / "ssh"
        folder.mkdir(mode=0o700)
        port = free_port()
        for name in ("host_key", "client_key"):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            run(argv, timeout_s=30)
        shutil.copyfile(folder / "client_key.pub", folder / "authorized_keys")
        config = folder / "sshd_config"
        # As in the node's image, but with the paths, the port and the user of this machine.
        text = (REPOSITORY / "deploy/runtime/sshd_config").read_text()
        text = text.replace("Port 2222", f"Port {port}\nListenAddress 127.0.0.1")
        text = text.replace("/tmp/sshd.pid", str(folder / "sshd.pid"))  # noqa: S108 - as it stands
        text = text.replace("/node-ssh/authorized_keys", str(folder / "authorized_keys"))
        text = text.replace("AllowUsers clio", f"AllowUsers {getpass.getuser()}\nStrictModes no")
        config.write_text(text)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise ScenarioError("No sshd here (on Debian: apt install openssh-server).")
        argv = [program, "-D", "-f", str(config), "-h", str(folder / "host_key")]
        self._sshd = subprocess.Popen([*argv, "-E", str(folder / "sshd.txt")])
        _listening_wait(port)
        access: dict[str, Any] = yaml.safe_load(cluster.access_file_write().read_text())
        access["defaults"] |= {
            "method": "ssh",
            "port": port,
            "user": getpass.getuser(),
            "key_file": str(folder / "client_key"),
        }
        path = self._folder / "access.yaml"
        path.write_text(yaml.safe_dump(access, sort_keys=False))
        return path, folder / "client_key"

    def _stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for name, process in self._running.items():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                self._say(f"{name} had to be killed")
        if self._sshd is not None:
            self._sshd.terminate()
            self._sshd.wait()
        if self._cluster is not None:
            self._cluster.close()
        with psycopg.connect(POSTGRES_URL, autocommit=True) as server:
            database = sql.Identifier(self._database)
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
        shutil.rmtree(self._folder, ignore_errors=True)


def _listening_wait(port: int) -> None:
    until = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
