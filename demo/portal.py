"""The demo's portal: its account, its process, and when it is ready."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from demo import processes
from demo.local_cluster import log_tail

REPOSITORY = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
USERNAME = "demo"
TOKEN_NAME = "demo"  # noqa: S105 - the token's name, not the token
ACCOUNT_TIMEOUT_S = 180
HTTP_TIMEOUT_S = 5
MAX_READINESS_BYTES = 2000
POLL_S = 0.2
STOP_GRACE_S = 10.0
# The person's other settings of the portal hold for the demo too, but its data are its own.
OWN_SETTINGS = frozenset({"MODE", "DATA_DIR", "DATABASE_URL", "REDIS_URL"})


class PortalError(RuntimeError):
    """The portal ended, stayed silent or refused; the message says what it said."""


def portal_environment(*, config: Path, data: Path) -> dict[str, str]:
    """The environment of the portal and its commands: this cluster, this data directory."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLIO_", "CHI_", "CONTAINER_HOSTFILE"))
        or (
            name.startswith("CLIO_PORTAL_")
            and name.removeprefix("CLIO_PORTAL_") not in OWN_SETTINGS
        )
    }
    return kept | {"CLIO_SERVER_CONF": str(config), "CLIO_PORTAL_DATA_DIR": str(data)}


class DemoPortal:
    """`python -m clio_portal` on loopback, with an account for the demo."""

    def __init__(
        self, *, port: int, config: Path, directory: Path, access: Path | None = None
    ) -> None:
        """`access`: the file that tells how to stop and start the nodes, where that is possible."""
        self.url = f"http://{HOST}:{port}/"
        self.log = directory / "portal.log"
        self._port = port
        self._data = directory / "portal"
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._env = portal_environment(config=config, data=self._data)
        if access is not None:
            self._env["CLIO_PORTAL_ACCESS_FILE"] = str(access)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def has_data(self) -> bool:
        return (self._data / "portal.sqlite3").exists()

    def account_make(self, password: str) -> str:
        """Make the demo's account, or give it this password, and make its API token."""
        done = subprocess.run(
            [sys.executable, "-m", "demo.account", USERNAME, TOKEN_NAME],
            env=self._env,
            cwd=REPOSITORY,
            input=f"{password}\n",
            capture_output=True,
            text=True,
            timeout=ACCOUNT_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise PortalError(f"The demo's account could not be made:\n{done.stderr.strip()}")
        return str(json.loads(done.stdout)["token"])

    def start(self) -> None:
        self.log.write_text("")
        self._process = processes.process_spawn(
            [sys.executable, "-m", "clio_portal", "--host", HOST, "--port", str(self._port)],
            env=self._env,
            cwd=REPOSITORY,
            log=self.log,
            # It stops in order when it is asked: no half-written file, no process of its own left.
            death_signal=signal.SIGTERM,
        )

    def ended(self) -> str | None:
        """Why the portal does not run any more; None while it does."""
        if self._process is None or self._process.poll() is None:
            return None
        return (
            f"The portal ended with exit code {self._process.returncode}. Its log {self.log} "
            f"ends:\n{log_tail(self.log)}"
        )

    def wait_ready(self, deadline: float) -> None:
        """Wait until it serves pages and has asked the cluster once. Raises PortalError."""
        while self.status("readyz") != 200:
            if ended := self.ended():
                raise PortalError(ended)
            if time.monotonic() > deadline:
                raise PortalError(
                    f"The portal was not ready in time: {self._readiness()}. Its log {self.log} "
                    f"ends:\n{log_tail(self.log)}"
                )
            time.sleep(POLL_S)

    def _readiness(self) -> str:
        """What the portal itself says is missing."""
        try:
            with urllib.request.urlopen(self.url + "readyz", timeout=HTTP_TIMEOUT_S) as answer:  # noqa: S310
                return str(answer.read(MAX_READINESS_BYTES).decode(errors="replace"))
        except urllib.error.HTTPError as error:
            return error.read(MAX_READINESS_BYTES).decode(errors="replace")
        except OSError as error:
            return f"it does not answer ({error})"

    def token_works(self, token: str) -> bool:
        return self.status("api/topology", token=token) != 401

    def status(self, path: str, *, token: str = "") -> int | None:
        """The HTTP status of a GET; None when nothing answers."""
        headers = {"Authorization": f"Token {token}"} if token else {}
        request = urllib.request.Request(self.url + path, headers=headers)  # noqa: S310 - http
        try:
            with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def close(self) -> None:
        if self._process:
            processes.popen_stop(self._process, grace_s=STOP_GRACE_S)


def password_generate() -> str:
    return secrets.token_urlsafe(12)
