"""What a collecting process keeps between rounds: the client, the evidence, the cursors.

One per process, made when first needed and closed at the end. It must live as long as
possible: a runtime serves a limited number of connections in its life, and what is known
of a node's silence lives here.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.conf import settings

from apps.collector.clocks import ClockOffset
from apps.collector.crew import Crew
from apps.collector.rates import Reading
from apps.collector.samples import SampleCursor
from apps.nodes.models import FigureKind
from apps.runtime.choose import client_open
from apps.runtime.client import ClientOptions, RuntimeClient
from apps.runtime.scatter import Scatter
from apps.runtime.types import NodeState, Target, WireGeneration
from apps.runtime.watch import Watch

logger = logging.getLogger(__name__)

SETTLING = timedelta(seconds=15)
"""How long a process that is new to a node believes the stored state over its own first
impressions."""

CLOCK_STEP_S = 5.0
"""The clock of this machine was set when it has gone so much more or less than the monotonic."""

EARLY_SHARE = 0.5
"""A tick in the first half of an interval is one too many."""

OTHERS_WAIT_S = 2.0
"""On a machine where system rounds never pause, the others get on all the same."""

LIVE_BEGINS_S = 0.1
"""Within this time of each other, ticks of the same moment have begun their rounds."""

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
    """The number of the last round that was stored, by kind."""

    def clock_set(self, *, at: datetime) -> None:
        """The portal's clock was set: nothing may be reckoned from a time before."""
        self.clocks.clear()
        for pk, cursor in list(self.cursors.items()):
            received_at = at if cursor.received_at else None
            self.cursors[pk] = replace(cursor, received_at=received_at, asked_anew_at=None)
        for pk, reading in list(self.readings.items()):
            # A reading without devices: it makes no rates, and is not loaded again.
            self.readings[pk] = replace(reading, at=at, devices=())


class Engine:
    """The client of this process and what belongs to it. Thread-safe."""

    def __init__(self, client: RuntimeClient, *, watch: Watch | None = None) -> None:
        self.client = client
        self.scatter = Scatter(client)
        self.watch = watch if watch is not None else Watch()
        self.memory = Memory()
        self.crew = Crew(f"{os.getpid()}-{secrets.token_hex(6)}")
        self._targets: dict[Target, datetime] = {}
        """Whom this process polls, and since when."""
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._others = threading.Lock()
        self._live_over, self._live_idle = threading.Event(), threading.Event()
        self._live_over.set()
        self._live_idle.set()
        self.closed = False
        self._ticked: dict[str, float] = {}
        self._clock_offset_s: float | None = None

    @contextmanager
    def turn(self, kind: str) -> Iterator[bool]:
        """False while a round of `kind` is running in this process."""
        with self._lock:
            lock = self._turns.setdefault(kind, threading.Lock())
        taken = lock.acquire(blocking=False)
        if taken and kind == FigureKind.SYSTEM:
            self._live_over.clear()
        try:
            yield taken
        finally:
            if taken and kind == FigureKind.SYSTEM:
                self._live_over.set()  # before the next one may begin and clear it
            if taken:
                lock.release()

    def live_begins(self) -> None:
        """Before another round asks: the system round of the same tick asks first, and ends.

        Else a tick that begins all rounds would ask thousands of questions at once, and the
        nodes' states would be as late as the last of the answers.
        """
        time.sleep(LIVE_BEGINS_S)
        self._live_over.wait(OTHERS_WAIT_S)

    @contextmanager
    def live_work(self) -> Iterator[None]:
        """While a round of system figures decodes and stores; see `other_work`."""
        self._live_idle.clear()
        try:
            yield
        finally:
            self._live_idle.set()

    @contextmanager
    def other_work(self) -> Iterator[None]:
        """While another round decodes and stores a piece: one at a time, and system figures first.

        Only one thread at a time runs Python anyhow. So the nodes' states wait for one piece of
        another round at most, and not for all the rounds that one tick has begun.
        """
        with self._others:
            self._live_idle.wait(OTHERS_WAIT_S)
            yield

    def is_due(self, kind: str, *, every_s: float) -> bool:
        """Is a tick of `kind` to be followed? Two beats may both send for a moment, and ticks
        pile up while the database is away.
        """
        now = time.monotonic()
        with self._lock:
            if now - self._ticked.get(kind, float("-inf")) < every_s * EARLY_SHARE:
                return False
            self._ticked[kind] = now
        return True

    def targets_set(self, targets: Iterable[Target], *, at: datetime) -> None:
        """These nodes are ours now. Connections to the others are dropped, no more."""
        wanted = frozenset(targets)
        with self._lock:
            gone = self._targets.keys() - wanted
            self._targets = {target: self._targets.get(target, at) for target in wanted}
        if gone:
            self.scatter.retain(wanted)
            for target in gone:
                self.client.forget(target)

    def is_settling(self, target: Target, *, at: datetime) -> bool:
        """Too short a time to call a node unknown that another process knew?"""
        since = self._targets.get(target)
        return since is None or at - since < SETTLING

    def clock_follow(self, *, at: datetime) -> None:
        """Notice that the portal's clock was set, and begin to judge anew.

        What is known of nodes is reckoned in the clock's time: a node that went silent
        after the clock had been put back an hour would else pass for alive for an hour.
        """
        offset_s = at.timestamp() - time.monotonic()
        known_s, self._clock_offset_s = self._clock_offset_s, offset_s
        if known_s is None or abs(offset_s - known_s) < CLOCK_STEP_S:
            return
        logger.warning("The clock was set by %.0f s; judging nodes anew.", offset_s - known_s)
        with self._lock:
            self._targets = dict.fromkeys(self._targets, at)
        self.scatter.retain(())  # what is under way would bring times of the old clock
        self.watch.reset()
        self.memory.clock_set(at=at)

    def close(self) -> None:
        """A round that waits for answers ends at once, and no other begins."""
        self.closed = True
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


def engine_held() -> Engine | None:
    """This process's engine, if it has made one."""
    with _held.lock:
        return _held.engine if _held.pid == os.getpid() else None


def engine_close() -> None:
    """Close this process's engine; the next call of `engine_get` makes a new one. Idempotent."""
    with _held.lock:
        engine, _held.engine = _held.engine, None
        mine = _held.pid == os.getpid()
    if engine is not None and mine:
        engine.close()


atexit.register(engine_close)
