"""Of any number of beats one acts; and it goes by the monotonic clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
import time_machine

from chaos.services import Redis, ServiceMissing
from clio_portal import beat
from clio_portal.beat import LEADER_KEY, SILENT_S, Leadership, PortalScheduler
from clio_portal.celery import app

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    directory = tmp_path_factory.mktemp("redis")
    try:
        own = Redis(directory, log=directory / "redis.log")
    except ServiceMissing as missing:
        pytest.skip(str(missing))
    own.start()
    yield own
    own.child.stop()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Beats:
    """Several of them, that look once a second."""

    def __init__(self, url: str, count: int) -> None:
        self.client = redis.Redis.from_url(url)
        self.client.delete(LEADER_KEY)
        self.clock = Clock()
        self.each = [Leadership(self.client, clock=self.clock) for _ in range(count)]

    def look(self, *which: int, seconds: int = 1) -> list[int]:
        """Who leads, after these have looked for so long."""
        leading: list[int] = []
        for _ in range(seconds):
            self.clock.now += 1
            leading = [number for number in which if self.each[number].check()]
            assert len(leading) <= 1
        return leading


def test_one_of_three_leads_and_goes_on(broker: Redis) -> None:
    beats = Beats(broker.url, 3)
    assert beats.look(2, 0, 1) == [2]
    assert beats.look(0, 1, 2, seconds=30) == [2]


def test_one_that_falls_silent_is_replaced_and_does_not_come_back(broker: Redis) -> None:
    beats = Beats(broker.url, 2)
    assert beats.look(0, 1) == [0]
    assert beats.look(1, seconds=int(SILENT_S)) == []
    assert beats.look(1, seconds=2) == [1]
    assert beats.look(0, 1, seconds=5) == [1]


def test_one_that_leaves_is_replaced_at_once(broker: Redis) -> None:
    beats = Beats(broker.url, 2)
    assert beats.look(0, 1) == [0]
    beats.each[0].leave()
    assert beats.look(1) == [1]


def test_when_redis_has_lost_its_memory_one_leads(broker: Redis) -> None:
    beats = Beats(broker.url, 2)
    assert beats.look(0, 1) == [0]
    beats.client.flushall()
    assert beats.look(1, 0) == [1]
    assert beats.look(0, 1, seconds=5) == [1]


def test_without_redis_nobody_leads(broker: Redis) -> None:
    beats = Beats(broker.url, 1)
    assert beats.look(0) == [0]
    broker.child.kill()
    try:
        assert beats.look(0, seconds=3) == []
    finally:
        broker.start()
    assert beats.look(0) == [0]


Alone = tuple[PortalScheduler, Clock, list[str]]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Alone:
    """A scheduler without Redis, its clock, and the names of what it has sent."""
    settings.PORTAL_REDIS_URL = ""
    monkeypatch.setattr(beat, "signs_give", lambda *_, **__: True)
    mono = Clock()
    monkeypatch.setattr("clio_portal.beat.time.monotonic", mono)
    sent: list[str] = []
    scheduler = PortalScheduler(app=app)
    monkeypatch.setattr(scheduler, "_send", lambda entry: sent.append(entry.name))
    return scheduler, mono, sent


def test_a_clock_that_is_set_neither_stops_it_nor_makes_it_hurry(alone: Alone) -> None:
    scheduler, mono, sent = alone
    with time_machine.travel(datetime(2026, 5, 1, 12, tzinfo=UTC), tick=False) as wall:
        scheduler.tick()
        assert sorted(sent) == sorted(app.conf.beat_schedule), "each of them at once"
        for hour in (11, 13):
            wall.move_to(datetime(2026, 5, 1, hour, tzinfo=UTC))
            sent.clear()
            for _ in range(10):
                mono.now += 1
                scheduler.tick()
            assert sent.count("collect-system") == 5
    mono.now += 3600
    sent.clear()
    scheduler.tick()
    scheduler.tick()
    assert sent.count("collect-system") == 1, "what was missed is not made up for"


def test_after_the_first_time_they_are_not_sent_together(alone: Alone) -> None:
    scheduler, mono, sent = alone
    together = []
    for _ in range(40 * 100):
        sent.clear()
        scheduler.tick()
        together.append(len(sent))
        mono.now += 0.01
    assert together[0] == len(app.conf.beat_schedule)
    assert max(together[1:]) == 1
