"""Which host keys are known, in OpenSSH's file format; and what happens to others."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from paramiko import HostKeys, PKey, SSHException
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from apps.control.remote.failures import HostKeyChanged, HostKeyUnknown, KnownHostsUnusable
from apps.control.remote.types import HostKeyPolicy

REVOKED = "@revoked"


def known_hosts_name(host: str, port: int) -> str:
    """As OpenSSH writes it: the port only when it is another than 22."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


class KnownHosts:
    """The known host keys, under one policy. Read anew for each session."""

    def __init__(self, path: Path | None, policy: HostKeyPolicy) -> None:
        self.path = path
        self.policy = policy
        self._keys = HostKeys()
        self._revoked: set[bytes] = set()
        if policy is not HostKeyPolicy.OFF:
            self._read()

    def key_types(self, host: str, port: int) -> list[str]:
        """Types of the keys known for that server: what to ask it for, before all others."""
        known = self._keys.lookup(known_hosts_name(host, port))
        return list(known.keys()) if known else []

    def verify(self, host: str, port: int, key: PKey, *, where: str) -> bool:
        """→ whether the key is new (and now kept, under accept-new). Raises for one that
        the policy does not allow."""
        if self.policy is HostKeyPolicy.OFF:
            return False
        if self._is_known(host, port, key, where=where):
            return False
        if self.policy is HostKeyPolicy.STRICT or self.path is None:
            raise HostKeyUnknown(where, offered=key.fingerprint, known_hosts=self.path)
        return self._keep(host, port, key, where=where)

    def _is_known(self, host: str, port: int, key: PKey, *, where: str) -> bool:
        if key.asbytes() in self._revoked:
            raise HostKeyChanged(
                where, known="revoked", offered=key.fingerprint, known_hosts=self.path
            )
        known = self._keys.lookup(known_hosts_name(host, port))
        if not known:
            return False
        if any(other.asbytes() == key.asbytes() for other in known.values()):
            return True
        same_type = known.get(key.get_name())
        raise HostKeyChanged(
            where,
            known=(same_type or next(iter(known.values()))).fingerprint,
            offered=key.fingerprint,
            known_hosts=self.path,
        )

    def _keep(self, host: str, port: int, key: PKey, *, where: str) -> bool:
        """Add the key, unless another session has been faster: then hers is the known one."""
        path = self.path
        if path is None:
            raise TypeError("keeping a key needs a file")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._read()
                if self._is_known(host, port, key, where=where):
                    return False
                name = known_hosts_name(host, port)
                line = f"{name} {key.get_name()} {key.get_base64()}\n".encode()
                file.write(line if _ends_with_newline(path) else b"\n" + line)
        except OSError as error:
            raise KnownHostsUnusable(path, _why(error)) from error
        return True

    def _read(self) -> None:
        if self.path is None:
            return
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        except OSError as error:
            raise KnownHostsUnusable(self.path, _why(error)) from error
        self._keys, self._revoked = HostKeys(), set()
        for number, line in enumerate(text.splitlines(), start=1):
            self._add_line(line.strip(), number)

    def _add_line(self, line: str, number: int) -> None:
        marker = ""
        if line.startswith("@"):
            marker, _, line = line.partition(" ")
        if not line or line.startswith("#") or marker not in ("", REVOKED):
            return
        try:
            entry = HostKeyEntry.from_line(line.strip(), number)
        except (InvalidHostKey, SSHException):
            return  # like OpenSSH: a line that can't be read vouches for nobody
        if entry is None or entry.key is None or not entry.hostnames:
            return
        if marker == REVOKED:
            self._revoked.add(entry.key.asbytes())
            return
        for name in entry.hostnames:
            self._keys.add(name, entry.key.get_name(), entry.key)


def _ends_with_newline(path: Path) -> bool:
    content = path.read_bytes()
    return not content or content.endswith(b"\n")


def _why(error: OSError) -> str:
    return error.strerror or str(error)
