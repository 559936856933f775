"""What beat calls, the watch over the configuration, and upkeep."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from apps.cluster.models import Cluster, ConfigStatus
from apps.collector import services, tasks
from apps.collector.engine import client_options, engine_close, engine_get
from apps.collector.history.feed import history_feed
from apps.collector.models import PollRound
from apps.collector.recent import Recent
from apps.collector.services import config_watch, maintain
from apps.nodes.models import Node, SampleChunk
from apps.runtime.simulated import SimulatedCluster
from apps.runtime.types import WireGeneration
from tests.factories import AT, cluster_make, node_make, samples_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def configured(
    sim: SimulatedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The environment of a portal for the simulated cluster."""
    hostfile = tmp_path / "hosts"
    hostfile.write_text("".join(f"{target.address}\n" for target in sim.targets()))
    config = tmp_path / "clio.yaml"
    config.write_text("networking: {hostfile: hosts}\n")
    monkeypatch.setenv("CLIO_SERVER_CONF", str(config))
    monkeypatch.delenv("CONTAINER_HOSTFILE", raising=False)
    yield config
    engine_close()


def test_every_entry_of_the_schedule_names_a_task() -> None:
    every = {entry["task"] for entry in django_settings.CELERY_BEAT_SCHEDULE.values()}
    named = {task for task in every if task.startswith("apps.collector.")}
    here = {value.name for value in vars(tasks).values() if hasattr(value, "apply_async")}
    assert named == here


def test_the_first_task_finds_the_configuration_by_itself(configured: Path) -> None:
    tasks.collect_system_task.run()
    assert ConfigStatus.objects.get().path == str(configured)
    assert Node.objects.present().count() == 4
    assert Cluster.objects.get().polled_at is not None


def test_every_kind_runs_on_one_engine(configured: Path) -> None:
    engine = engine_get()
    for task in (
        tasks.collect_system_task,
        tasks.collect_workers_task,
        tasks.collect_block_devices_task,
        tasks.collect_containers_task,
        tasks.config_watch_task,
        tasks.history_feed_task,
        tasks.maintain_task,
    ):
        task.run()
    assert engine_get() is engine
    assert set(PollRound.objects.values_list("kind", flat=True)) == {
        "system", "workers", "block_devices", "containers",
    }  # fmt: skip


def test_a_closed_engine_is_made_anew(configured: Path) -> None:
    first = engine_get()
    engine_close()
    engine_close()
    tasks.collect_system_task.run()
    assert engine_get() is not first


def test_the_watch_follows_the_host_list(configured: Path) -> None:
    config_watch(at=AT)
    cursor = Cluster.objects.get().poll_number
    hosts = configured.parent / "hosts"
    hosts.write_text("".join(hosts.read_text().splitlines(keepends=True)[:2]))
    config_watch(at=AT + timedelta(seconds=5))
    assert Node.objects.present().count() == 2
    assert Node.objects.retired().count() == 2
    assert Cluster.objects.get().poll_number > cursor
    hosts.write_text("not a host\n")
    config_watch(at=AT + timedelta(seconds=10))
    assert Node.objects.present().count() == 2, "the last good list stays in force"


@pytest.fixture
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has not maintained anything yet."""
    monkeypatch.setattr(services, "_recent", Recent())


@pytest.mark.usefixtures("new_process")
def test_maintain_deletes_samples_older_than_twenty_minutes() -> None:
    node, minute = node_make(cluster_make(), node_id=0), timedelta(minutes=1)
    samples_make(node, at=AT, seconds=60)
    assert maintain(at=AT, mono=1000.0) == 0
    samples_make(node, at=AT + 20 * minute, seconds=60)
    assert maintain(at=AT + 21 * minute, mono=1000.0 + 21 * 60) == 0, "the history has none yet"
    history_feed(at=AT + 21 * minute)
    assert maintain(at=AT + 21 * minute, mono=1000.0 + 21 * 60) == 30
    assert SampleChunk.objects.count() == 30
    assert maintain(at=AT + 22 * minute, mono=1000.0 + 22 * 60) == 0
    assert maintain(at=AT + 41 * minute, mono=1000.0 + 41 * 60) == 30


@pytest.mark.usefixtures("new_process")
@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_was_set_deletes_no_recent_sample(hours: int) -> None:
    """Neither while it is wrong, nor of what was stored then when it is right again."""
    node, off = node_make(cluster_make(), node_id=0), timedelta(hours=hours)
    samples_make(node, at=AT, seconds=60)
    history_feed(at=AT)
    maintain(at=AT, mono=0.0)
    samples_make(node, at=AT + off, seconds=60)
    history_feed(at=AT + off)
    assert maintain(at=AT + off, mono=60.0) == 0
    assert maintain(at=AT + timedelta(minutes=2), mono=120.0) == 0
    assert SampleChunk.objects.count() == 60
    assert maintain(at=AT + timedelta(minutes=22), mono=22 * 60.0) == 60, "later it goes"


@pytest.mark.usefixtures("new_process")
def test_samples_that_no_history_takes_are_kept_for_a_day() -> None:
    node = node_make(cluster_make(), node_id=0)
    samples_make(node, at=AT, seconds=60)
    assert maintain(at=AT + timedelta(hours=23)) == 0
    assert maintain(at=AT + timedelta(hours=25)) == 30


def test_the_client_gets_the_settings(settings: Any) -> None:
    settings.PORTAL_WIRE_GENERATION = "2.2"
    settings.PORTAL_ALLOW_LEGACY_PROBE = True
    settings.PORTAL_DIALBACK_HOST = ""
    settings.PORTAL_DIALBACK_PORTS = (40_000, 40_100)
    options = client_options()
    assert options.generation is WireGeneration.V2_2
    assert options.allow_legacy_probe
    assert options.dialback_host is None
    assert options.dialback_ports == (40_000, 40_100)
    settings.PORTAL_WIRE_GENERATION = "auto"
    assert client_options().generation is None
