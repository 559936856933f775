"""Every recorded answer of six releases decodes to what it was recorded to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import pytest

from apps.runtime import decode
from apps.runtime.types import BlockDevice, Method, SystemSample, Target, WorkerFigures
from tests.runtime.recorded import RELEASES, RecordedPart, recorded_parts

LEGACY = ("2.0.0", "2.1.0")
SINCE_2_2 = ("device_health", "failure_prediction", "predicted_ttl_days")
GPU_KEYS = ("gpu_usage_pct", "hbm_usage_pct", "hbm_used_bytes", "hbm_total_bytes")


def parts_of(query: str) -> list[Any]:
    return [pytest.param(part, id=str(part)) for part in recorded_parts() if part.query == query]


def target_of(part: RecordedPart) -> Target:
    return Target(part.container_id, "127.0.0.1")


def without_extra(value: Any) -> dict[str, Any]:
    """The value's fields as a map; nothing recorded is unknown to us, so ``extra`` is empty."""
    told = asdict(value)
    assert told.pop("extra") == {}
    return told


def test_every_release_has_recorded_every_query() -> None:
    recorded = {(part.release, part.query) for part in recorded_parts()}
    for release in RELEASES[:-1]:
        for query in ("get_host_info", "worker_stats", "system_stats", "bdev_stats"):
            assert (release, query) in recorded
        assert (release, "container_stats") in recorded


@pytest.mark.parametrize("part", parts_of("get_host_info"))
def test_host_info(part: RecordedPart) -> None:
    info = decode.decode_host_info(part.data, target=target_of(part))
    assert without_extra(info) == part.says


@pytest.mark.parametrize("part", parts_of("worker_stats"))
def test_workers(part: RecordedPart) -> None:
    workers = decode.decode_workers(part.data, target=target_of(part))
    assert [without_extra(worker) for worker in workers] == part.says
    assert part.says


@pytest.mark.parametrize("part", parts_of("system_stats"))
def test_system_samples(part: RecordedPart) -> None:
    samples = decode.decode_system_samples(part.data, target=target_of(part))
    assert [without_extra(sample) for sample in samples] == [known(one) for one in part.says]
    assert part.says[0]["event_id"] == 0


def known(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a recorded entry without GPUs says, where ``None`` is what it does not know."""
    assert entry["gpu_count"] == 0
    unknown: dict[str, Any] = dict.fromkeys(GPU_KEYS)
    if entry["event_id"] == 0:
        unknown["cpu_usage_pct"] = None
    return {**entry, **unknown}


@pytest.mark.parametrize("part", parts_of("bdev_stats"))
def test_block_devices(part: RecordedPart) -> None:
    devices = decode.decode_block_devices(part.data, target=target_of(part))
    expected = [
        {
            **dict.fromkeys(SINCE_2_2),
            **entry["stats"],
            "pool_id": entry["pool_id"],
            "stats_known": True,
        }
        for entry in part.says
    ]
    assert [without_extra(device) for device in devices] == expected
    assert all((device.device_health is None) == (part.release in LEGACY) for device in devices)
    assert all(device.ttl_days is None for device in devices)


@pytest.mark.parametrize("part", parts_of("container_stats"))
def test_containers(part: RecordedPart) -> None:
    containers = decode.decode_containers(part.data, target=target_of(part))
    assert len(containers) == len(part.says)
    for container, entry in zip(containers, part.says, strict=True):
        named = [method for method in entry["methods"] if method["name"]]
        assert [without_extra(method) for method in container.methods] == named
        assert {**asdict(container), "methods": None, "extra": None} == {
            **entry,
            "methods": None,
            "extra": None,
        }


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(part, id=str(part))
        for part in recorded_parts()
        if part.query.startswith(("pool_stats", "stats"))
    ],
)
def test_pool_stats(part: RecordedPart) -> None:
    stats = decode.decode_pool_stats(part.data, target=target_of(part), query=part.query)
    assert stats.figures == part.says
    assert stats.raw == part.data
    assert stats.text is None


@pytest.mark.parametrize(
    ("row", "decoded", "inside"),
    [
        (WorkerFigures, "worker_stats", lambda says: says[0]),
        (SystemSample, "system_stats", lambda says: says[0]),
        (BlockDevice, "bdev_stats", lambda says: {**says[0], **says[0]["stats"]}),
        (Method, "container_stats", lambda says: says[0]["methods"][0]),
    ],
)
def test_types_have_a_field_for_every_recorded_key(
    row: type, decoded: str, inside: Callable[[Any], Mapping[str, Any]]
) -> None:
    ours = {field.name for field in fields(row)} - {"extra", "stats_known"}
    for part in recorded_parts():
        if part.query == decoded and part.release not in LEGACY:
            assert set(inside(part.says)) - {"stats"} == ours
