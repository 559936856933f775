"""Where a runtime is, and which of our addresses it can dial back to."""

from __future__ import annotations

import ipaddress
import queue
import re
import socket
import threading
from collections.abc import Callable

LOOPBACK = "127.0.0.1"
MAX_LOOKUPS = 8

_IDENTITY_HOST = re.compile(r"[A-Za-z0-9.-]{1,200}", re.ASCII)

Found = Callable[[str | None, str], None]
"""Called with the IPv4 address, or None and why there is none."""


def dialback_host_check(host: str) -> str:
    """The host as given. Raises ValueError when a runtime could not read it."""
    if not _IDENTITY_HOST.fullmatch(host):
        raise ValueError(
            f"dial-back host {host!r} must be an IPv4 address or a name of letters, digits, "
            "dots and dashes: a runtime reads it from the connection's identity"
        )
    return host


def dialback_host_find(runtime_ip: str) -> str:
    """The local address that this machine uses towards a runtime. Sends nothing.

    Raises OSError when there is no route.
    """
    if ipaddress.IPv4Address(runtime_ip).is_loopback:
        return LOOPBACK
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((runtime_ip, 9))
        return str(probe.getsockname()[0])


def ipv4_literal(host: str) -> str | None:
    """The host itself when it is an IPv4 address already."""
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        return None


class Resolver:
    """Looks names up on threads of its own: a slow name server must not hold up the others."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[str, Found] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def lookup(self, host: str, found: Found) -> None:
        """``found`` is called on a resolver thread."""
        if len(self._threads) < MAX_LOOKUPS:
            thread = threading.Thread(target=self._serve, name="wire-resolver", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._asked.put((host, found))

    def close(self) -> None:
        """Idle threads end now; one inside a slow lookup ends with it, and is not waited for."""
        for _ in self._threads:
            self._asked.put(None)

    def _serve(self) -> None:
        while (asked := self._asked.get()) is not None:
            host, found = asked
            try:
                rows = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                found(None, str(error))
            else:
                found(str(rows[0][4][0]), "")
