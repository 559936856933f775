"""This process's own client to the runtimes, for looking at nodes while jobs run."""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass, field

from django.conf import settings

from apps.runtime.choose import client_open
from apps.runtime.client import ClientOptions, RuntimeClient
from apps.runtime.types import WireGeneration


@dataclass(slots=True)
class _Held:
    client: RuntimeClient | None = None
    pid: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_held = _Held()


def control_client() -> RuntimeClient:
    """Made by the first call, kept for the life of the process. A forked child gets its own."""
    with _held.lock:
        if _held.client is None or _held.pid != os.getpid():
            _held.client = client_open(settings.PORTAL_CLIENT, _options())
            _held.pid = os.getpid()
        return _held.client


def control_client_close() -> None:
    """The next call of `control_client` makes a new one. Idempotent."""
    with _held.lock:
        client, _held.client = _held.client, None
        mine = _held.pid == os.getpid()
    if client is not None and mine:
        client.close()


def _options() -> ClientOptions:
    generation = settings.PORTAL_WIRE_GENERATION
    return ClientOptions(
        generation=None if generation == "auto" else WireGeneration(generation),
        allow_legacy_probe=settings.PORTAL_ALLOW_LEGACY_PROBE,
        dialback_host=settings.PORTAL_DIALBACK_HOST or None,
        dialback_ports=settings.PORTAL_DIALBACK_PORTS,
    )


atexit.register(control_client_close)
