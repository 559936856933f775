"""A simulated cluster whose time a test moves, and a poller of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from apps.runtime.simulated import ManualClock, SimOptions, SimulatedCluster
from tests.collector.poller import Poller


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(wall_ns=time.time_ns())


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[SimulatedCluster]:
    """Four simulated nodes, up for a minute."""
    with SimulatedCluster(SimOptions(nodes=4, port=0), clock=clock) as cluster:
        yield cluster


@pytest.fixture
def poller(sim: SimulatedCluster, db: None) -> Iterator[Poller]:
    poller = Poller(sim.targets())
    yield poller
    poller.engine.close()
