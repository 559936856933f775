"""The portal's clock is set while it runs: nodes are judged, and figures reckoned, anew."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from apps.collector.history.feed import history_feed
from apps.collector.models import HistoryFeed
from apps.collector.rounds import round_run
from apps.common.time import utc_now
from apps.nodes.models import FigureKind
from apps.runtime.simulated import ManualClock, SimulatedCluster
from tests.collector.poller import Poller
from tests.factories import AT, cluster_make


def round_at(poller: Poller, at: datetime, kind: str = FigureKind.SYSTEM) -> None:
    assert round_run(poller.engine, kind=kind, at=at) is not None


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_node_that_dies_then_is_seen_to_be_down(
    poller: Poller, sim: SimulatedCluster, hours: int
) -> None:
    poller.all_fresh()
    step = timedelta(hours=hours)
    round_at(poller, utc_now() + step)
    assert set(poller.states().values()) == {"alive"}, "the stored states are believed at first"
    sim.node(2).stop()
    for _ in range(100):
        round_at(poller, utc_now() + step)
        if poller.state(2) == "down":
            break
    assert poller.states() == {0: "alive", 1: "alive", 2: "down", 3: "alive"}


@pytest.mark.parametrize("hours", [-1, 1])
def test_no_rate_is_reckoned_across_the_step(
    poller: Poller, clock: ManualClock, hours: int
) -> None:
    poller.all_fresh()
    poller.round(FigureKind.BLOCK_DEVICES)
    step = timedelta(hours=hours)
    round_at(poller, utc_now() + step)
    clock.advance(10)
    round_at(poller, utc_now() + step, FigureKind.BLOCK_DEVICES)
    (device, *_) = poller.latest(0, FigureKind.BLOCK_DEVICES).figures
    assert device["write_bytes_per_s"] is None


@pytest.mark.parametrize("hours", [-1, 1])
def test_no_sample_is_lost(poller: Poller, clock: ManualClock, hours: int) -> None:
    poller.all_fresh()
    before = poller.latest(0).figures["event_id"]
    clock.advance(3)
    step = timedelta(hours=hours)
    for _ in range(5):
        round_at(poller, utc_now() + step)
    assert poller.latest(0).figures["event_id"] == before + 3


def test_the_history_is_fed_though_its_time_is_an_hour_away(db: None) -> None:
    cluster_make()
    assert history_feed(at=AT) is not None
    feed = HistoryFeed.objects.get()
    assert history_feed(at=AT) is None, "it is not time yet"
    assert history_feed(at=feed.next_at - timedelta(hours=1)) is not None
