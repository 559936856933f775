"""From rounds into the history: everything, once, and across the portal's own absence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from apps.collector.history import chunks as chunking
from apps.collector.history import feed as feeding
from apps.collector.history.columns import Gathered
from apps.collector.history.feed import Fed, history_feed, next_feed_at
from apps.collector.history.upkeep import history_upkeep
from apps.collector.models import HistoryFeed, PendingFigures
from apps.collector.services import collect
from apps.common.time import utc_now
from apps.history.errors import SamplesWrong
from apps.history.models import MinuteBlock
from apps.history.selectors import raw_entries, series_list, state_timeline
from apps.history.services import samples_store
from apps.history.types import RawEntry, SubjectRef
from apps.nodes.models import FigureKind, SampleChunk
from apps.nodes.subjects import device_subject, node_subject, worker_subject
from apps.runtime.simulated import Fault, ManualClock, SimulatedCluster
from tests.collector.poller import Poller
from tests.factories import AT, cluster_make, node_make, samples_make

pytestmark = pytest.mark.django_db

KINDS = (FigureKind.SYSTEM, FigureKind.WORKERS, FigureKind.BLOCK_DEVICES, FigureKind.CONTAINERS)


@pytest.fixture(params=["whole", "in shares"], autouse=True)
def shares(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with few nodes, and as with so many that a feed takes a few nodes at a time."""
    if request.param == "in shares":
        monkeypatch.setattr(chunking, "SAMPLES_IN_RANGE", 50)
        monkeypatch.setattr(chunking, "SAMPLES_AT_ONCE", 5)
        monkeypatch.setattr(feeding, "FIGURES_AT_ONCE", 5)


def feed_now() -> Fed:
    """Feed, whenever the next feed would be due."""
    HistoryFeed.objects.update(next_at=datetime(2000, 1, 1, tzinfo=UTC))
    fed = history_feed(at=utc_now())
    assert fed is not None
    return fed


def entries(poller: Poller, node_id: int, kind: str = "system", **of: Any) -> list[RawEntry]:
    subject = of.pop("subject", node_subject(poller.node(node_id).pk))
    return raw_entries(cluster_key=poller.cluster.pk, subject=subject, kind=kind, **of)


def event_ids(found: list[RawEntry]) -> list[int | None]:
    return [one.event_id for one in found]


def test_every_kind_goes_into_the_history(poller: Poller, clock: ManualClock) -> None:
    poller.all_fresh()
    for kind in KINDS:
        poller.round(kind)
    fed = feed_now()
    assert (fed.refused, PendingFigures.objects.count()) == (0, 0)
    node = poller.node(1)
    system = entries(poller, 1)
    kept = SampleChunk.objects.filter(node=node).order_by("pk")
    assert event_ids(system) == [one["event_id"] for chunk in kept for one in chunk.entries]
    newest, live = system[-1].values, poller.latest(1).figures
    assert newest["ram_available_bytes"] == live["ram_available_bytes"]
    assert newest["cpu_usage_pct"] == pytest.approx(live["cpu_usage_pct"], abs=0.006)
    assert system[-1].time_ms == live["wall_time_ns"] // 1_000_000, "its own wall time"
    assert {one.boot for one in system} == {node.boot}

    workers = poller.latest(1, FigureKind.WORKERS).figures
    (total,) = entries(poller, 1, "workers")
    assert total.values["count"] == len(workers)
    processed = [worker["num_tasks_processed"] for worker in workers]
    assert total.values["num_tasks_processed"] == sum(processed)
    each = [
        entries(poller, 1, "worker", subject=worker_subject(node.pk, worker["worker_id"]))
        for worker in workers
    ]
    assert [one.values["num_tasks_processed"] for (one,) in each] == processed

    devices = poller.latest(1, FigureKind.BLOCK_DEVICES).figures
    for device in devices:
        subject = device_subject(node.pk, device["pool_id"])
        (one,) = entries(poller, 1, "block_device", subject=subject)
        assert one.values["total_bytes_written"] == device["total_bytes_written"]
        assert one.values["predicted_ttl_days"] is None, "999999 is no prediction"
    its_series = series_list(
        cluster_key=poller.cluster.pk, kind="block_device", key_prefix=f"{node.pk}/"
    )
    labels = {one.label for one in its_series}
    assert labels == {device["pool_name"] for device in devices}

    (counts,) = entries(poller, 1, "containers")
    containers = poller.latest(1, FigureKind.CONTAINERS).figures
    assert counts.values == {
        "containers": len(containers),
        "pools": len({one["pool_id"] for one in containers}),
    }


def test_feeding_again_changes_nothing(poller: Poller) -> None:
    poller.all_fresh()
    poller.round(FigureKind.WORKERS)
    feed_now()
    before = list(MinuteBlock.objects.order_by("series_id", "minute").values())
    assert before
    assert feed_now().samples == 0
    HistoryFeed.objects.update(chunk_position=0, state_position=0, chunk_seen=0)
    assert feed_now().samples > 0
    assert list(MinuteBlock.objects.order_by("series_id", "minute").values()) == before


def test_a_feed_that_was_killed_is_made_again(
    poller: Poller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the samples are stored, before that is noted; and before they are stored."""
    poller.all_fresh()
    poller.round(FigureKind.WORKERS)
    with monkeypatch.context() as patch:
        patch.setattr(feeding, "samples_store", _stored_then_killed)
        with pytest.raises(KeyboardInterrupt):
            feed_now()
    with monkeypatch.context() as patch:
        patch.setattr(feeding, "states_store", _killed)
        with pytest.raises(KeyboardInterrupt):
            feed_now()
    assert history_feed(at=utc_now()) is None, "the one that died had claimed it"
    feed_now()
    found = event_ids(entries(poller, 0))
    assert found == list(range(len(found)))
    assert len(entries(poller, 0, "workers")) == 1
    assert not PendingFigures.objects.exists()
    assert HistoryFeed.objects.get().state_position > 0


def test_a_feed_that_takes_long_stays_alone(
    poller: Poller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once would do the same work twice, and a busy machine gets ever more of them."""
    began = utc_now()
    claims: list[float] = []
    others: list[Fed | None] = []

    def store_slowly(**given: Any) -> None:
        claims.append((HistoryFeed.objects.get().next_at - began).total_seconds())
        others.append(history_feed(at=began + timedelta(minutes=2)))
        clock.advance(15)
        samples_store(**given)

    clock = _Elapsed()
    monkeypatch.setattr(feeding, "time", clock)
    monkeypatch.setattr(feeding, "BATCHES_AT_ONCE", 1)
    monkeypatch.setattr(feeding, "samples_store", store_slowly)
    poller.all_fresh()
    feed_now()
    assert len(claims) > 2
    assert all(now - before == pytest.approx(15) for before, now in pairwise(claims))
    assert set(others) == {None}


class _Elapsed:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self._now = 1000.0

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def monotonic(self) -> float:
        return self._now

    def thread_time(self) -> float:
        return self._now


def _killed(**given: Any) -> None:
    raise KeyboardInterrupt


def _stored_then_killed(**given: Any) -> None:
    samples_store(**given)
    raise KeyboardInterrupt


@pytest.mark.parametrize("away_s", [20, 900])
def test_the_gap_closes_by_itself(poller: Poller, clock: ManualClock, away_s: int) -> None:
    """The portal is killed and comes back later: the runtime's ring has what it missed."""
    poller.all_fresh()
    feed_now()
    poller.new_process()
    clock.advance(away_s)
    poller.until(lambda: poller.latest(2).figures["event_id"] >= away_s, within_s=60)
    feed_now()
    for node_id in range(4):
        found = entries(poller, node_id)
        assert event_ids(found) == list(range(len(found)))
        assert len(found) > away_s
        steps = {later.time_ms - earlier.time_ms for earlier, later in pairwise(found)}
        assert all(980 <= step <= 1020 for step in steps), "nothing missing, nothing twice"


def test_a_restart_is_a_boot_of_its_own(
    poller: Poller, sim: SimulatedCluster, clock: ManualClock
) -> None:
    poller.all_fresh()
    old = poller.node(3)
    sim.node(3).restart()
    clock.advance(5)
    poller.until(lambda: poller.node(3).boot != old.boot, within_s=60)
    clock.advance(3)
    poller.until(lambda: poller.latest(3).figures["event_id"] >= 6, within_s=60)
    feed_now()
    found = entries(poller, 3)
    by_boot = {boot: event_ids([one for one in found if one.boot == boot]) for boot in (
        old.boot, poller.node(3).boot)}  # fmt: skip
    assert [ids == list(range(len(ids))) for ids in by_boot.values()] == [True, True]
    assert len(found) == sum(map(len, by_boot.values()))


def test_states_become_a_timeline(poller: Poller, sim: SimulatedCluster) -> None:
    began = utc_now()
    poller.all_fresh()
    sim.node(2).fault(Fault.REFUSES)
    collect(kind=FigureKind.SYSTEM, at=utc_now(), engine=poller.engine)
    poller.until(lambda: poller.state(2) == "down", within_s=60)
    feed_now()
    (timeline,) = state_timeline(
        cluster_key=poller.cluster.pk,
        subjects=[node_subject(poller.node(2).pk)],
        start=began - timedelta(seconds=1),
        end=utc_now(),
        at=utc_now(),
    )
    seen = [span.state for span in timeline.spans]
    assert seen[0] is None, "before the portal looked"
    assert "alive" in seen
    assert seen[-1] == "down"


def test_a_clock_that_is_off_is_measured(poller: Poller, sim: SimulatedCluster) -> None:
    sim.node(1).fault(Fault.CLOCK_SKEW, seconds=30.0)
    poller.all_fresh()
    off, right = poller.node(1), poller.node(0)
    assert off.clock_skew_s == pytest.approx(30, abs=1.0)
    assert off.clock_is_off
    assert right.clock_skew_s is not None
    assert not right.clock_is_off
    feed_now()
    theirs, ours = entries(poller, 1)[-1].time_ms, entries(poller, 0)[-1].time_ms
    assert theirs - ours == pytest.approx(30_000, abs=1_500), "kept by its own wall time"


def test_one_nodes_nonsense_does_not_stop_the_others() -> None:
    cluster = cluster_make()
    good, bad = node_make(cluster, node_id=0), node_make(cluster, node_id=1)
    samples_make(bad, at=AT, seconds=4)
    samples_make(good, at=AT, seconds=4)
    chunk = SampleChunk.objects.filter(node=bad).latest("pk")
    chunk.entries[0]["wall_time_ns"] = 2**63 - 1
    chunk.save()
    fed = history_feed(at=AT)
    assert fed is not None
    assert fed.refused == 1
    found = raw_entries(cluster_key=cluster.pk, subject=node_subject(good.pk))
    assert event_ids(found) == [297, 298, 299, 300]
    assert HistoryFeed.objects.get().chunk_position == SampleChunk.objects.latest("pk").pk


def test_a_refusal_is_of_a_whole_series() -> None:
    with pytest.raises(SamplesWrong):
        samples_store(cluster_key=1, batches=[_future()], at=AT)


def _future() -> Any:
    gathered = Gathered()
    gathered.add(
        SubjectRef("node", "1"),
        "system",
        label="",
        boot=1,
        time_ms=2**53,
        row=[None] * 10,
        event_id=1,
    )
    return gathered.batches()[0]


# --- by minutes, where feeding takes long -------------------------------------------------


def test_by_minutes_each_minute_is_written_whole() -> None:
    """Samples across a minute's end: each goes in once, when its minute is over."""
    cluster = cluster_make()
    node = node_make(cluster, node_id=0)
    samples_make(node, at=AT + timedelta(seconds=1), seconds=30)  # chunks of two, one across
    HistoryFeed.objects.create(cluster=cluster, next_at=AT, duration_s=10.0)
    first = history_feed(at=AT + timedelta(seconds=9))
    assert first is not None
    assert first.samples == 28, "those before 12:00:00"
    assert MinuteBlock.objects.count() == 1
    HistoryFeed.objects.update(next_at=AT, duration_s=10.0)
    again = history_feed(at=AT + timedelta(seconds=20))
    assert again is not None
    assert again.samples == 0, "the minute is still running"
    HistoryFeed.objects.update(next_at=AT, duration_s=10.0)
    last = history_feed(at=AT + timedelta(seconds=69))
    assert last is not None
    assert last.samples == 2
    found = raw_entries(cluster_key=cluster.pk, subject=node_subject(node.pk))
    assert event_ids(found) == list(range(271, 301))


@pytest.mark.parametrize(
    ("duration_s", "second", "next_s"),
    [(0.01, 30, 35), (1.0, 30, 50), (1.6, 9, 68), (10.0, 9, 68), (10.0, 40, 68)],
)
def test_how_often_is_fed(duration_s: float, second: int, next_s: int) -> None:
    at = AT + timedelta(seconds=second)
    assert next_feed_at(duration_s, at=at) == AT + timedelta(seconds=next_s)


def test_nothing_to_do_without_a_cluster() -> None:
    assert history_feed(at=AT) is None
    assert history_upkeep(at=AT).merged == 0
