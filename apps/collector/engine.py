"""What a collecting process keeps between rounds: the client, the evidence, the cursors.

One per process, made when first needed and closed at the end. It must live as long as
possible: a runtime serves a limited number of connections in its life, and what is known
of a node's silence lives here.
"""

from __future__ import annotations

import atexit
import os
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from apps.collector.clocks import ClockOffset
from apps.collector.rates import Reading
from apps.collector.samples import SampleCursor
from apps.runtime.choose import client_open
from apps.runtime.client import ClientOptions, RuntimeClient
from apps.runtime.scatter import Scatter
from apps.runtime.types import NodeState, Target, WireGeneration
from apps.runtime.watch import Watch

SETTLING = timedelta(seconds=15)
"""How long a new process believes the stored states over its own first impressions."""

FULL_RING = 1100.0
"""Samples in a runtime's ring after twenty minutes."""


@dataclass(slots=True)
class Memory:
    """Where each node's figures stand, by the node's primary key. Lost with the process:
    it is read from the database again when another process may have written.
    """

    cursors: dict[int, SampleCursor] = field(default_factory=dict)
    readings: dict[int, Reading] = field(default_factory=dict)
    clocks: dict[int, ClockOffset] = field(default_factory=dict)
    long_answer: float = FULL_RING
    """Samples in the answer of a node that had been out of sight, by the last round's average."""
    rounds: dict[str, int] = field(default_factory=dict)
    """The number of the last round that this process stored, by kind."""


class Engine:
    """The client of this process and what belongs to it. Thread-safe."""

    def __init__(self, client: RuntimeClient, *, watch: Watch | None = None) -> None:
        self.client = client
        self.scatter = Scatter(client)
        self.watch = watch if watch is not None else Watch()
        self.memory = Memory()
        self.holder = f"{os.getpid()}-{secrets.token_hex(6)}"
        """Names this process in leases."""
        self._targets: frozenset[Target] = frozenset()
        self._lock = threading.Lock()
        self._started_at: datetime | None = None

    def targets_set(self, targets: Iterable[Target], *, at: datetime) -> None:
        """These nodes are the cluster now. Connections to the others are dropped, no more."""
        wanted = frozenset(targets)
        with self._lock:
            self._started_at = self._started_at or at
            gone = self._targets - wanted
            self._targets = wanted
        if gone:
            self.scatter.retain(wanted)
            for target in gone:
                self.client.forget(target)

    def is_settling(self, *, at: datetime) -> bool:
        """Too young to call a node unknown that another process knew?"""
        return self._started_at is None or at - self._started_at < SETTLING

    def close(self) -> None:
        self.client.close()


UNDECIDED = frozenset({NodeState.UNKNOWN, NodeState.SUSPECT})


def client_options() -> ClientOptions:
    """The settings as a client takes them."""
    generation = settings.PORTAL_WIRE_GENERATION
    return ClientOptions(
        generation=None if generation == "auto" else WireGeneration(generation),
        allow_legacy_probe=settings.PORTAL_ALLOW_LEGACY_PROBE,
        dialback_host=settings.PORTAL_DIALBACK_HOST or None,
        dialback_ports=settings.PORTAL_DIALBACK_PORTS,
    )


def client_build() -> RuntimeClient:
    return client_open(settings.PORTAL_CLIENT, client_options())


@dataclass(slots=True)
class _Held:
    engine: Engine | None = None
    pid: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_held = _Held()


def engine_get() -> Engine:
    """This process's engine, made by the first call. A forked child gets its own."""
    with _held.lock:
        if _held.engine is None or _held.pid != os.getpid():
            _held.engine = Engine(client_build())
            _held.pid = os.getpid()
        return _held.engine


def engine_close() -> None:
    """Close this process's engine; the next call of `engine_get` makes a new one. Idempotent."""
    with _held.lock:
        engine, _held.engine = _held.engine, None
        mine = _held.pid == os.getpid()
    if engine is not None and mine:
        engine.close()


atexit.register(engine_close)
