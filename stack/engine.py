"""Podman with a configuration and a store of its own, apart from the user's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
WORK = REPOSITORY / "var" / "stack"
NEEDED = ("podman", "runc", "iptables")
HELPERS = ("netavark", "aardvark-dns")
HELPER_FOLDERS = (
    Path("/usr/lib/podman"),
    Path("/usr/libexec/podman"),
    Path("/usr/local/lib/podman"),
)

CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE_CONF = """
[storage]
driver = "overlay"
graphroot = "{root}/storage"
runroot = "{root}/run"
"""


class NoContainersError(RuntimeError):
    """Containers can't run here; the message says why."""


class CommandError(RuntimeError):
    """A command of ours ended with an error; the message ends with what it said."""


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    text: str | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run it in the repository. Raises CommandError when it fails, unless `check` is off."""
    try:
        done = subprocess.run(
            argv,
            cwd=REPOSITORY,
            env=None if env is None else dict(env),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"`{' '.join(argv[:6])} …`: {error}") from error
    if check and done.returncode:
        tail = (done.stdout + done.stderr)[-4000:]
        raise CommandError(f"`{' '.join(argv[:12])}` ended with {done.returncode}:\n{tail}")
    return done


class Podman:
    """Runs podman commands. Raises NoContainersError when there is nothing to run them with."""

    def __init__(self, work: Path = WORK) -> None:
        _needed_check()
        self.work = work
        work.mkdir(parents=True, exist_ok=True)
        conf, storage = work / "containers.conf", work / "storage.conf"
        conf.write_text(CONTAINERS_CONF)
        storage.write_text(STORAGE_CONF.format(root=work / "podman"))
        self.env = dict(os.environ) | {
            "CONTAINERS_CONF": str(conf),
            "CONTAINERS_STORAGE_CONF": str(storage),
            # Without systemd nobody would run the health checks: `Compose` does.
            "DISABLE_HC_SYSTEMD": "true",
        }
        info = self("info", timeout_s=60, check=False)
        if info.returncode:
            raise NoContainersError(f"podman info: {info.stderr.strip()[-500:]}")

    def __call__(
        self, *arguments: str, timeout_s: float = 120, text: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        argv = ["podman", *arguments]
        return run(argv, timeout_s=timeout_s, env=self.env, text=text, check=check)

    def image_exists(self, name: str) -> bool:
        return self("image", "exists", name, check=False).returncode == 0

    def container_try(self, image: str) -> None:
        """Run something in a container with a network. Raises NoContainersError."""
        done = self("run", "--rm", "--network", "bridge", image, "true", check=False)
        if done.returncode:
            raise NoContainersError(f"A container does not start: {done.stderr.strip()[-500:]}")


def _needed_check() -> None:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    missing += [
        name for name in HELPERS if not any((folder / name).exists() for folder in HELPER_FOLDERS)
    ]
    if os.geteuid() != 0:
        raise NoContainersError("bridges with fixed addresses need root")
    if missing:
        raise NoContainersError(f"not installed: {', '.join(missing)}")
