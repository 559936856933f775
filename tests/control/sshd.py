"""A real OpenSSH server on loopback, with keys of its own, run by whoever runs the tests."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_TIMEOUT_S = 20.0
# Run by root, it insists on this directory.
PRIVILEGE_SEPARATION = Path("/run/sshd")


def sshd_path() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def key_make(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new private key at `path`; the public one lies beside it."""
    path.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


def key_fingerprint(path: Path) -> str:
    answer = subprocess.run(
        ["ssh-keygen", "-l", "-f", f"{path}.pub"], check=True, capture_output=True, text=True
    )
    return answer.stdout.split()[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Sshd:
    """`client_key` is let in as `user`; the log is at DEBUG in `log`."""

    directory: Path
    port: int
    host_key: Path
    client_key: Path
    user: str
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / "sshd.log"

    def start(self) -> None:
        config = self.directory / "sshd_config"
        config.write_text(
            "\n".join(
                (
                    f"Port {self.port}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {self.host_key}",
                    f"AuthorizedKeysFile {self.directory}/authorized_keys",
                    f"PidFile {self.directory}/sshd.pid",
                    "StrictModes no",  # the temporary directory belongs to several people
                    "UsePAM no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "PermitRootLogin prohibit-password",
                    "PrintMotd no",
                    *self.options,
                    "",
                )
            )
        )
        if os.geteuid() == 0:
            PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        path = sshd_path()
        assert path, "no sshd here (on Debian: apt install openssh-server)"
        # -D keeps it in the foreground; sshd re-executes itself, so the path is absolute.
        self.process = subprocess.Popen(
            [path, "-D", "-f", str(config), "-E", str(self.log)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_ready()

    def _wait_ready(self) -> None:
        give_up_at = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < give_up_at:
            assert self.process is not None
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                    if link.recv(4) == b"SSH-":
                        return
            except OSError:
                time.sleep(0.05)
        said = self.log.read_text(errors="replace") if self.log.exists() else ""
        raise AssertionError(f"sshd did not get ready on port {self.port}:\n{said[-2000:]}")

    def freeze(self) -> None:
        """The listener stops; the kernel still accepts connections for it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait()
        self.process = None


@contextmanager
def sshd_running(directory: Path, *, options: tuple[str, ...] = ()) -> Iterator[Sshd]:
    directory.mkdir(parents=True, exist_ok=True)
    server = Sshd(
        directory=directory,
        port=free_port(),
        host_key=key_make(directory / "host_key"),
        client_key=key_make(directory / "client_key"),
        user=getpass.getuser(),
        options=options,
    )
    shutil.copyfile(f"{server.client_key}.pub", directory / "authorized_keys")
    server.start()
    try:
        yield server
    finally:
        server.stop()
