"""Simulated figures: shaped as real ones are, steady for a seed, and alive."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from apps.runtime.simulated import SIMULATED_KEY, Fleet, SimNode, SimOptions
from apps.runtime.simulated.profile import FILE, HBM, RAM
from apps.runtime.types import NO_PREDICTION_DAYS, WireGeneration
from apps.runtime.wire.frames import reply_parse
from apps.runtime.wire.layout import LAYOUTS
from tests.runtime.simulation import (
    IDENTITY,
    ask,
    cluster_make,
    figures,
    first_maps,
    parts_of,
    sim_node,
    wire_shape,
)

VECTORS = Path(__file__).parent.parent / "vectors"
RELEASES = ("2.0.0", "2.1.0", "2.2.0", "2.2.1", "2.3.1", "2.3.2")
QUERIES = ("get_host_info", "worker_stats", "system_stats", "bdev_stats", "container_stats")


def generation_of(release: str) -> WireGeneration:
    recorded = json.loads((VECTORS / f"{release}.json").read_text())
    return WireGeneration(recorded["generation"])


def exchanges(release: str) -> list[tuple[str, bytes, bytes]]:
    recorded = json.loads((VECTORS / f"{release}.json").read_text())
    return [
        (item["name"], bytes.fromhex(item["request"]), bytes.fromhex(item["reply"]))
        for item in recorded["exchanges"]
        if item.get("reply")
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_answers_to_recorded_requests_have_the_recorded_keys_and_types(release: str) -> None:
    generation = generation_of(release)
    cluster, _ = cluster_make(generation=generation)
    node = sim_node(cluster)
    compared = 0
    for name, request, recorded in exchanges(release):
        if not name.startswith("monitor"):
            continue
        body = node.receive(IDENTITY, request)[0].body
        assert body is not None
        # The head is the recorded one byte for byte; only the stream's length differs.
        at = LAYOUTS[generation].stream_length_at
        assert body[:at] == recorded[:at], name
        ours, theirs = reply_parse(body, generation), reply_parse(recorded, generation)
        assert ours.return_code == theirs.return_code, name
        assert parts_of(ours).keys() == parts_of(theirs).keys(), name
        for container, data in parts_of(theirs).items():
            expected = list(first_maps(wire_shape(data)))
            found = [
                [field for field in fields if field[0] != SIMULATED_KEY]
                for fields in first_maps(wire_shape(parts_of(ours)[container]))
            ]
            assert found == expected, name
            compared += 1
    assert compared == 7


@pytest.mark.parametrize("release", RELEASES)
def test_client_connect_answers_as_recorded(release: str) -> None:
    generation = generation_of(release)
    cluster, _ = cluster_make(generation=generation)
    _, request, recorded = exchanges(release)[0]
    body = sim_node(cluster).receive(IDENTITY, request)[0].body
    assert body is not None
    assert len(body) == len(recorded)
    assert body[: LAYOUTS[generation].stream_at] == recorded[: LAYOUTS[generation].stream_at]


def test_same_seed_and_clock_give_the_same_bytes_and_another_seed_does_not() -> None:
    def all_bytes(seed: int) -> list[bytes]:
        cluster, clock = cluster_make(nodes=3, seed=seed)
        clock.advance(4_321.5)
        return [
            parts_of(ask(sim_node(cluster, node_id), query))[node_id]
            for node_id in range(3)
            for query in QUERIES
        ]

    assert all_bytes(7) == all_bytes(7)
    assert all_bytes(7) != all_bytes(8)


def test_samples_do_not_depend_on_when_they_are_asked_for() -> None:
    cluster, clock = cluster_make(uptime_s=100.0)
    before = figures(sim_node(cluster), "system_stats:40")[:20]
    clock.advance(50.0)
    assert figures(sim_node(cluster), "system_stats:40")[:20] == before


def test_ring_keeps_its_length_and_min_is_inclusive() -> None:
    cluster, clock = cluster_make(ring_length=1_024, uptime_s=5_000.0)
    node = sim_node(cluster)
    ids = [sample["event_id"] for sample in figures(node, "system_stats")]
    assert len(ids) == 1_024
    assert ids == list(range(ids[0], ids[0] + 1_024))
    assert ids[-1] in (4_999, 5_000)
    tail = figures(node, f"system_stats:{ids[-1]}")
    assert [sample["event_id"] for sample in tail] == [ids[-1]]
    assert parts_of(ask(node, f"system_stats:{ids[-1] + 1}"))[0] == b"\x90"
    assert len(figures(node, "system_stats:nonsense")) == 1_024
    clock.advance(10.0)
    assert len(figures(node, f"system_stats:{ids[-1] + 1}")) == 10


def test_ring_shorter_than_a_runtimes_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1024"):
        SimOptions(ring_length=1_023)


def test_first_sample_has_no_cpu_and_time_runs_evenly() -> None:
    cluster, _ = cluster_make(uptime_s=30.0)
    samples = figures(sim_node(cluster), "system_stats")
    assert samples[0]["cpu_usage_pct"] == 0.0
    assert all(sample["cpu_usage_pct"] > 0 for sample in samples[1:])
    steps = [
        later["timestamp_ns"] - earlier["timestamp_ns"] for earlier, later in pairwise(samples)
    ]
    assert all(0.98e9 < step < 1.02e9 for step in steps)
    offsets = {sample["wall_time_ns"] - sample["timestamp_ns"] for sample in samples}
    assert len(offsets) == 1


def test_load_moves_over_hours_and_stays_in_its_bounds() -> None:
    cluster, clock = cluster_make(nodes=4, fleet=Fleet(gpu_share=1.0))
    cpu: list[float] = []
    for step in range(1, 151):
        clock.advance(120.0)
        newest = f"system_stats:{59 + 120 * step}"
        for node_id in range(4):
            sample = figures(sim_node(cluster, node_id), newest)[-1]
            cpu.append(sample["cpu_usage_pct"])
            assert 0 <= sample["gpu_usage_pct"] <= 100
            assert 0 < sample["ram_usage_pct"] < 100
            assert 0 < sample["hbm_used_bytes"] < sample["hbm_total_bytes"]
    assert 0 < min(cpu) < 20
    assert 60 < max(cpu) <= 100


def test_counters_only_rise_until_a_restart_resets_them() -> None:
    cluster, clock = cluster_make(uptime_s=0.0)
    node = sim_node(cluster)
    before: dict[str, int] = {}
    for step in range(2_000):
        clock.advance(0.001 if step % 2 else 37.0)
        now = counters(node)
        assert all(now[name] >= value for name, value in before.items())
        before = now
    assert before["513.1 total_bytes_written"] > 10**9
    node.restart()
    clock.advance(5.0)
    after = counters(node)
    assert after["513.1 total_bytes_written"] < before["513.1 total_bytes_written"]
    assert figures(node, "system_stats")[0]["event_id"] == 0


def counters(node: SimNode) -> dict[str, int]:
    found = {}
    for device in figures(node, "bdev_stats"):
        for name in ("total_reads", "total_writes", "total_bytes_read", "total_bytes_written"):
            found[f"{device['pool_id']} {name}"] = device["stats"][name]
    for worker in figures(node, "worker_stats"):
        found[f"worker {worker['worker_id']}"] = worker["num_tasks_processed"]
    return found


def test_worker_array_grows_on_some_nodes_and_never_shrinks() -> None:
    cluster, clock = cluster_make(nodes=40)
    first = [len(figures(node.sim, "worker_stats")) for node in cluster.nodes()]
    clock.advance(7_200.0)
    later = [len(figures(node.sim, "worker_stats")) for node in cluster.nodes()]
    assert set(first) == {4}
    assert set(later) == {4, 5, 6}
    assert all(new >= old for old, new in zip(first, later, strict=True))


def test_fleet_has_gpus_hbm_smart_data_and_failing_drives_where_asked() -> None:
    cluster, _ = cluster_make(nodes=200)
    gpu_nodes, types, healthy, failing, silent = 0, set(), 0, 0, 0
    for node in cluster.nodes():
        sample = figures(node.sim, "system_stats")[-1]
        devices = figures(node.sim, "bdev_stats")
        has_hbm = any(device["stats"]["bdev_type"] == HBM for device in devices)
        assert (sample["gpu_count"] > 0) is (sample["hbm_total_bytes"] > 0) is has_hbm
        gpu_nodes += has_hbm
        for stats in (device["stats"] for device in devices):
            types.add(stats["bdev_type"])
            health = json.loads(stats["device_health"])
            prediction = json.loads(stats["failure_prediction"])
            if not health:
                silent += stats["bdev_type"] == FILE
                assert stats["predicted_ttl_days"] == NO_PREDICTION_DAYS
            elif prediction["days_remaining"] is None:
                healthy += 1
                assert stats["predicted_ttl_days"] == NO_PREDICTION_DAYS
            else:
                failing += 1
                assert stats["predicted_ttl_days"] == prediction["days_remaining"] <= 120
                assert health["smart_5_raw"] >= 0
    assert types == {FILE, RAM, HBM}
    assert 30 <= gpu_nodes <= 70
    assert min(healthy, failing, silent) > 0
    assert failing < healthy


def test_containers_have_trained_untrained_and_padding_methods() -> None:
    cluster, _ = cluster_make(uptime_s=600.0)
    containers = figures(sim_node(cluster), "container_stats")
    methods = [method for container in containers for method in container["methods"]]
    untrained = [m for m in methods if (m["coefficient"], m["mape"]) == (1.0, 0.0)]
    assert max(len(container["methods"]) for container in containers) == 105
    assert 0 < len(untrained) < len(methods)
    assert any(method["name"] == "" for method in methods)
    assert {container["pool_id"] for container in containers} >= {"1.0", "301.0", "512.0"}
    assert all(0 < m["mape"] < 1 for m in methods if m not in untrained)
