"""The compose file in containers, by podman-compose."""

from __future__ import annotations

import json
import secrets
import socket
import sys
import time
from collections.abc import Callable, Sequence

from stack.client import ScenarioError
from stack.engine import REPOSITORY, CommandError, Podman, run
from stack.images import PORTAL_IMAGE, RUNTIME_IMAGE

PROJECT = "clio-stack-test"
FILE = REPOSITORY / "docker-compose.yml"
UP_S = 600.0
HEALTHY_S = 300.0
ONE_SHOT = frozenset({"prepare", "keys"})
# The portal's settings that the compose file leaves to the site: here, the nodes of its profile.
NODE_SETTINGS = {
    "CLIO_PORTAL_SSH_USER": "clio",
    "CLIO_PORTAL_SSH_PORT": "2222",
    "CLIO_PORTAL_SSH_KEY_FILE": "/ssh/id_ed25519",
    "CLIO_PORTAL_SSH_KNOWN_HOSTS": "/ssh/known_hosts",
    "CLIO_PORTAL_SSH_HOST_KEYS": "strict",
    "CLIO_PORTAL_CLIO_RUN": "/opt/clio/bin/clio_run",
    "CLIO_PORTAL_NODE_CONF": "/etc/clio/clio.yaml",
    "CLIO_PORTAL_NODE_STORAGE_ROOT": "/var/lib/clio",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ComposeStack:
    """`with ComposeStack(podman) as stack`: up and healthy; in the end down, volumes too."""

    def __init__(self, podman: Podman, *, say: Callable[[str], None]) -> None:
        self._podman = podman
        self._say = say
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        given = {
            "CLIO_PORTAL_SECRET_KEY": secrets.token_urlsafe(64),
            "POSTGRES_PASSWORD": secrets.token_urlsafe(24),
            "REDIS_PASSWORD": secrets.token_urlsafe(24),
        }
        self.secrets: Sequence[str] = list(given.values())
        self._env_file = podman.work / "test.env"
        self._env_file.touch(mode=0o600)
        self._env_file.write_text(_env_text(given | self._settings()))

    def _settings(self) -> dict[str, str]:
        return NODE_SETTINGS | {
            "COMPOSE_PROFILES": "cluster",
            "PORTAL_ENV_FILE": str(self._env_file),
            "PORTAL_IMAGE": PORTAL_IMAGE,
            "RUNTIME_IMAGE": RUNTIME_IMAGE,
            "WEB_LISTEN": f"127.0.0.1:{self._port}",
            "CLIO_PORTAL_ALLOWED_HOSTS": "127.0.0.1",
            # The test speaks to it without a proxy.
            "CLIO_PORTAL_HTTPS": "false",
        }

    def __enter__(self) -> ComposeStack:
        self.down()  # what an interrupted run left
        try:
            began = time.monotonic()
            self._compose("up", "-d", timeout_s=UP_S)
            self._say(f"up after {time.monotonic() - began:.0f} s")
            self._healthy_wait()
            self._say(f"all healthy after {time.monotonic() - began:.0f} s")
        except (CommandError, ScenarioError):
            self._keep_logs()
            self.down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._keep_logs()
        self.down()
        left = self.containers()
        if left and kind is None:
            raise ScenarioError(f"Taken down, but still there: {left}")

    def down(self) -> None:
        self._compose("down", "--volumes", "--timeout", "20", timeout_s=UP_S)

    def manage(self, *arguments: str, text: str | None = None) -> tuple[int, str]:
        name = self.containers()["control"]
        done = self._podman(
            *("exec", "--interactive", name, "python", "manage.py", *arguments),
            timeout_s=600,
            text=text,
            check=False,
        )
        return done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def node_is_there(self, node_id: int) -> bool:
        name = self.containers()[f"node{node_id}"]
        state = self._podman("inspect", "--format", "{{.State.Status}}", name).stdout.strip()
        return state == "running"

    def containers(self) -> dict[str, str]:
        """Service → container, those that have ended included."""
        listed = self._podman(
            *("ps", "--all", "--format", "json"),
            *("--filter", f"label=com.docker.compose.project={PROJECT}"),
        )
        return {
            row["Labels"]["com.docker.compose.service"]: row["Names"][0]
            for row in json.loads(listed.stdout or "[]")
        }

    def logs(self) -> dict[str, str]:
        found = {}
        for service, name in self.containers().items():
            done = self._podman("logs", name, check=False)
            found[service] = done.stdout + done.stderr
        return found

    def memory(self) -> str:
        """What each container holds now, as the engine counts it."""
        names = {name: service for service, name in self.containers().items()}
        done = self._podman("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
        found = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
        return ", ".join(
            f"{names[name]} {usage.split('/')[0].strip()}"
            for name, usage in sorted(found.items())
            if name in names
        )

    def _healthy_wait(self) -> None:
        """Run the health checks as the engine would, until all of them are content."""
        until = time.monotonic() + HEALTHY_S
        waiting = dict(self.containers())
        for service in ONE_SHOT:
            name = waiting.pop(service)
            code = self._podman("wait", name, timeout_s=HEALTHY_S).stdout.strip()
            if code != "0":
                raise ScenarioError(f"{service} ended with {code}.")
        while waiting:
            for service, name in list(waiting.items()):
                done = self._podman("healthcheck", "run", name, check=False)
                if done.returncode == 0:
                    del waiting[service]
            if waiting and time.monotonic() > until:
                raise ScenarioError(f"Not healthy: {', '.join(waiting)}")

    def _keep_logs(self) -> None:
        folder = self._podman.work / "logs"
        folder.mkdir(exist_ok=True)
        for service, text in self.logs().items():
            (folder / f"{service}.log").write_text(text)
        self._say(f"logs are kept in {folder.relative_to(REPOSITORY)}")

    def _compose(self, *arguments: str, timeout_s: float) -> None:
        argv = [sys.executable, "-m", "podman_compose", "--in-pod=false"]
        argv += ["--project-name", PROJECT, "--file", str(FILE), "--profile", "cluster"]
        argv += ["--env-file", str(self._env_file)]
        run([*argv, *arguments], timeout_s=timeout_s, env=self._podman.env)


def _env_text(values: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())
