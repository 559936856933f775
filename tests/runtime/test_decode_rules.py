"""The decoder's rules, one by one."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from apps.runtime import decode
from apps.runtime.errors import ContractBroken, RuntimeRefused
from apps.runtime.fields import MAX_DOCUMENT_CHARS, MAX_NAME_CHARS
from apps.runtime.types import NO_PREDICTION_DAYS, Answer, SystemSample, Target
from apps.runtime.unpack import MAX_ANSWER_BYTES

TARGET = Target(2, "10.0.0.7", 9420)

WORKER: dict[str, Any] = {
    "worker_id": 0,
    "is_running": True,
    "is_active": False,
    "idle_iterations": 1,
    "num_queued_tasks": 2,
    "num_blocked_tasks": 3,
    "num_periodic_tasks": 4,
    "num_retry_tasks": 5,
    "suspend_period_us": 25,
    "num_tasks_processed": 6,
    "load": 0.5,
}
SAMPLE: dict[str, Any] = {
    "event_id": 7,
    "timestamp_ns": 1,
    "wall_time_ns": 2,
    "ram_total_bytes": 100,
    "ram_available_bytes": 40,
    "ram_usage_pct": 60.0,
    "cpu_usage_pct": 12.5,
    "gpu_count": 2,
    "gpu_usage_pct": 50.0,
    "hbm_usage_pct": 25.0,
    "hbm_used_bytes": 4,
    "hbm_total_bytes": 16,
    "hostname": "n2",
    "ip_address": "10.0.0.7",
    "node_id": 2,
    "is_leader": False,
}
STATS: dict[str, Any] = {
    "pool_name": "ram::tier",
    "bdev_type": 1,
    "total_capacity": 64,
    "remaining_capacity": 32,
    "read_bandwidth_mbps": 476.6,
    "write_bandwidth_mbps": 476.6,
    "read_latency_us": 2098.15,
    "write_latency_us": 2098.15,
    "iops": 1000.0,
    "total_reads": 1,
    "total_writes": 2,
    "total_bytes_read": 3,
    "total_bytes_written": 4,
    "device_health": '{"temperature": 40}',
    "failure_prediction": "{}",
    "predicted_ttl_days": 12,
}
METHOD: dict[str, Any] = {
    "id": 1,
    "name": "Write",
    "coefficient": 1.5,
    "mape": 0.2,
    "wall_coefficient": 1.1,
    "wall_mape": 0.1,
}
CONTAINER: dict[str, Any] = {
    "pool_id": "301.0",
    "pool_name": "ram::tier",
    "chimod_name": "clio_bdev",
    "container_id": 2,
    "learning_rate": 0.2,
    "methods": [METHOD],
}


def packed(value: Any) -> bytes:
    data = msgpack.packb(value)
    assert isinstance(data, bytes)
    return data


def sample_of(**changes: Any) -> SystemSample:
    (sample,) = decode.decode_system_samples(packed([{**SAMPLE, **changes}]), target=TARGET)
    return sample


class TestMissingAndExtraKeys:
    @pytest.mark.parametrize("key", WORKER)
    def test_a_missing_key_names_node_query_entry_and_key(self, key: str) -> None:
        entry = {name: value for name, value in WORKER.items() if name != key}
        with pytest.raises(ContractBroken) as caught:
            decode.decode_workers(packed([WORKER | {"worker_id": 9}, entry]), target=TARGET)
        message = caught.value.message
        for named in ("node 2 (10.0.0.7:9420)", "worker_stats", "entry 1", repr(key), "missing"):
            assert named in message

    @pytest.mark.parametrize("key", STATS)
    def test_a_block_device_needs_all_but_the_keys_of_2_2(self, key: str) -> None:
        stats = {name: value for name, value in STATS.items() if name != key}
        data = packed([{"pool_id": "301.0", "stats": stats}])
        if key in ("device_health", "failure_prediction", "predicted_ttl_days"):
            (device,) = decode.decode_block_devices(data, target=TARGET)
            assert getattr(device, key) is None
        else:
            with pytest.raises(ContractBroken, match=repr(key)):
                decode.decode_block_devices(data, target=TARGET)

    def test_extra_keys_survive_at_every_level(self) -> None:
        device = {"pool_id": "301.0", "stats": {**STATS, "wear": 3}, "shard": "a"}
        (decoded,) = decode.decode_block_devices(packed([device]), target=TARGET)
        assert decoded.extra == {"wear": 3, "shard": "a"}
        container = {**CONTAINER, "methods": [{**METHOD, "p99": 1.5}], "tags": ["x"]}
        (one,) = decode.decode_containers(packed([container]), target=TARGET)
        assert one.extra == {"tags": ["x"]}
        assert one.methods[0].extra == {"p99": 1.5}

    def test_extra_is_storable_and_bounded(self) -> None:
        hostile = {
            "nan": math.nan,
            "huge": 2**64 - 1,
            "nul": "a\x00b",
            "bytes": b"\xff\x00",
            "ext": msgpack.ExtType(5, b"x"),
            "wide": list(range(3000)),
            "deep": [[[[[[[[[[1]]]]]]]]]],
            "long": "x" * 100_000,
            **{f"k{index}": index for index in range(300)},
        }
        extra = sample_of(**hostile).extra
        assert extra["nan"] is None
        assert extra["huge"] is None
        assert extra["nul"] == "a\ufffdb"
        assert extra["bytes"] == "\ufffd\ufffd"
        assert extra["ext"] is None
        assert len(packed(extra)) < 100_000
        assert len(extra["wide"]) < 64
        assert len(extra) < 64

    def test_an_entry_that_is_no_map_is_named(self) -> None:
        with pytest.raises(ContractBroken, match="entry 1: expected a map, got a whole number"):
            decode.decode_workers(packed([WORKER, 5]), target=TARGET)


class TestTypesAndRanges:
    @pytest.mark.parametrize("value", [-1, 2**63, 2**64 - 1])
    def test_a_count_outside_signed_64_bits_is_an_error(self, value: int) -> None:
        with pytest.raises(ContractBroken, match=f"'num_queued_tasks' is {value}, outside"):
            decode.decode_workers(packed([{**WORKER, "num_queued_tasks": value}]), target=TARGET)

    def test_the_largest_storable_count_is_kept(self) -> None:
        entry = {**WORKER, "num_tasks_processed": 2**63 - 1}
        (worker,) = decode.decode_workers(packed([entry]), target=TARGET)
        assert worker.num_tasks_processed == 2**63 - 1

    @pytest.mark.parametrize("value", [1.0, True, "1", None, b"1", [1], {"a": 1}])
    def test_a_count_of_another_type_is_an_error(self, value: Any) -> None:
        with pytest.raises(ContractBroken, match="'worker_id' must be a whole number, got"):
            decode.decode_workers(packed([{**WORKER, "worker_id": value}]), target=TARGET)

    @pytest.mark.parametrize("value", [1, 0, None, "true"])
    def test_a_flag_must_be_a_boolean(self, value: Any) -> None:
        with pytest.raises(ContractBroken, match="'is_running' must be a boolean"):
            decode.decode_workers(packed([{**WORKER, "is_running": value}]), target=TARGET)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.5, 100.5, 1e300, None])
    def test_a_percentage_that_is_none_is_unknown(self, value: float | None) -> None:
        sample = sample_of(cpu_usage_pct=value, ram_usage_pct=value, gpu_usage_pct=value)
        assert (sample.cpu_usage_pct, sample.ram_usage_pct, sample.gpu_usage_pct) == (None,) * 3

    @pytest.mark.parametrize(("sent", "kept"), [(0.0, 0.0), (0, 0.0), (100, 100.0)])
    def test_a_percentage_in_range_is_kept(self, sent: float, kept: float) -> None:
        assert sample_of(cpu_usage_pct=sent).cpu_usage_pct == kept

    def test_a_percentage_above_100_by_rounding_alone_is_100(self) -> None:
        assert sample_of(ram_usage_pct=100.000008).ram_usage_pct == 100.0

    @pytest.mark.parametrize("value", ["12", True, [1.0]])
    def test_a_percentage_of_another_type_is_an_error(self, value: Any) -> None:
        with pytest.raises(ContractBroken, match="'cpu_usage_pct' must be a number"):
            sample_of(cpu_usage_pct=value)

    def test_a_diverged_model_is_unknown_and_not_untrained(self) -> None:
        method = {**METHOD, "coefficient": math.nan, "mape": math.inf}
        data = packed([{**CONTAINER, "methods": [method], "learning_rate": math.nan}])
        (container,) = decode.decode_containers(data, target=TARGET)
        assert (container.methods[0].coefficient, container.methods[0].mape) == (None, None)
        assert container.learning_rate is None
        assert container.methods[0].is_trained

    @pytest.mark.parametrize("pool_id", ["301", "301.0.1", "", "a.b", "<b>", "٣.٠", "1.9" * 9])
    def test_a_pool_id_has_two_numbers(self, pool_id: str) -> None:
        with pytest.raises(ContractBroken, match=r"major\.minor"):
            decode.decode_containers(packed([{**CONTAINER, "pool_id": pool_id}]), target=TARGET)


class TestSamples:
    def test_the_first_sample_after_a_boot_has_no_cpu(self) -> None:
        assert sample_of(event_id=0, cpu_usage_pct=0.0).cpu_usage_pct is None
        assert sample_of(event_id=1, cpu_usage_pct=0.0).cpu_usage_pct == 0.0

    def test_without_gpus_their_figures_are_unknown(self) -> None:
        sample = sample_of(gpu_count=0)
        assert sample.gpu_count == 0
        assert sample.gpu_usage_pct is None
        assert sample.hbm_usage_pct is None
        assert sample.hbm_used_bytes is None
        assert sample.hbm_total_bytes is None

    def test_a_gpu_without_hbm_knows_only_its_use(self) -> None:
        sample = sample_of(hbm_total_bytes=0, hbm_used_bytes=0, hbm_usage_pct=0.0)
        assert sample.gpu_usage_pct == 50.0
        assert (sample.hbm_usage_pct, sample.hbm_used_bytes, sample.hbm_total_bytes) == (None,) * 3

    def test_with_gpus_and_hbm_all_is_known(self) -> None:
        sample = sample_of()
        assert (sample.gpu_usage_pct, sample.hbm_usage_pct) == (50.0, 25.0)
        assert (sample.hbm_used_bytes, sample.hbm_total_bytes) == (4, 16)

    def test_overwritten_ring_entries_are_skipped_sorted_and_told_once(self) -> None:
        sent = [{}, {**SAMPLE, "event_id": 9}, {**SAMPLE, "event_id": 8}, {}]
        sent.append({**SAMPLE, "event_id": 9})
        samples = decode.decode_system_samples(packed(sent), target=TARGET)
        assert [sample.event_id for sample in samples] == [8, 9]

    def test_no_newer_sample_is_no_error(self) -> None:
        assert decode.decode_system_samples(b"\x90", target=TARGET) == ()


class TestArrays:
    def test_a_missing_worker_is_skipped(self) -> None:
        workers = decode.decode_workers(packed([{}, WORKER]), target=TARGET)
        assert [worker.worker_id for worker in workers] == [0]

    def test_an_array_shorter_than_announced_is_tolerated(self) -> None:
        data = b"\x93" + packed(CONTAINER) + packed({**CONTAINER, "pool_id": "302.0"})
        containers = decode.decode_containers(data, target=TARGET)
        assert [one.pool_id for one in containers] == ["301.0", "302.0"]

    def test_an_entry_cut_in_the_middle_is_not(self) -> None:
        with pytest.raises(ContractBroken, match="breaks off"):
            decode.decode_containers(packed([CONTAINER, CONTAINER])[:-3], target=TARGET)

    @pytest.mark.parametrize(
        ("decoder", "entry"),
        [
            (decode.decode_workers, WORKER),
            (decode.decode_containers, CONTAINER),
            (decode.decode_block_devices, {"pool_id": "301.0", "stats": STATS}),
        ],
    )
    def test_the_same_one_twice_is_an_error(
        self, decoder: Callable[..., object], entry: dict[str, Any]
    ) -> None:
        with pytest.raises(ContractBroken, match="two entries have the same"):
            decoder(packed([entry, entry]), target=TARGET)

    def test_methods_without_a_name_are_padding(self) -> None:
        padding = {**METHOD, "id": 2, "name": ""}
        data = packed([{**CONTAINER, "methods": [padding, {}, METHOD]}])
        (container,) = decode.decode_containers(data, target=TARGET)
        assert [method.id for method in container.methods] == [1]


class TestBlockDevices:
    def test_a_device_that_could_not_be_read_knows_nothing_but_its_name(self) -> None:
        sent = [{"pool_id": "ram::tier", "stats": None}, {"pool_id": "ram::tier", "stats": None}]
        devices = decode.decode_block_devices(packed(sent), target=TARGET)
        assert len(devices) == 2
        assert devices[0].pool_id == "ram::tier"
        assert not devices[0].stats_known
        assert devices[0].total_capacity is None

    @pytest.mark.parametrize(("days", "left"), [(NO_PREDICTION_DAYS, None), (12, 12), (0, 0)])
    def test_no_prediction_keeps_its_number_and_says_none(
        self, days: int, left: int | None
    ) -> None:
        data = packed([{"pool_id": "301.0", "stats": {**STATS, "predicted_ttl_days": days}}])
        (device,) = decode.decode_block_devices(data, target=TARGET)
        assert device.predicted_ttl_days == days
        assert device.ttl_days == left

    def test_a_document_too_long_to_keep_is_unknown_and_not_cut(self) -> None:
        stats = {
            **STATS,
            "device_health": '"' + "x" * MAX_DOCUMENT_CHARS + '"',
            "failure_prediction": "x" * MAX_DOCUMENT_CHARS,
        }
        data = packed([{"pool_id": "301.0", "stats": stats}])
        (device,) = decode.decode_block_devices(data, target=TARGET)
        assert device.device_health is None
        assert device.failure_prediction == "x" * MAX_DOCUMENT_CHARS

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (None, None),
            ("", None),
            ("{}", None),
            ("[1]", None),
            ("{broken", None),
            ("[" * 60_000, None),
            ('{"a":' * 10_000, None),
            ('{"temperature": 40, "nul": "a\\u0000b"}', {"temperature": 40, "nul": "a\ufffdb"}),
            ('{"lone": "\\ud800", "inf": 1e999}', {"lone": "?", "inf": None}),
        ],
    )
    def test_json_text(self, text: str | None, says: dict[str, Any] | None) -> None:
        assert decode.json_text_parse(text) == says


class TestText:
    @pytest.mark.parametrize(
        "name", ["<script>alert(1)</script>", "\u202egnp.exe", "ノード", "' OR 1=1 --", ""]
    )
    def test_hostile_names_come_through_as_they_are(self, name: str) -> None:
        assert sample_of(hostname=name).hostname == name

    def test_long_names_are_cut(self) -> None:
        assert sample_of(hostname="x" * 10_240).hostname == "x" * MAX_NAME_CHARS

    def test_nul_and_invalid_utf8_become_replacement_characters(self) -> None:
        assert sample_of(hostname="a\x00b").hostname == "a\ufffdb"
        for broken in (b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\xf5"):
            data = packed([SAMPLE]).replace(packed("n2"), bytes([0xA0 + len(broken)]) + broken)
            (sample,) = decode.decode_system_samples(data, target=TARGET)
            assert set(sample.hostname) == {"\ufffd"}
            sample.hostname.encode()

    def test_bytes_are_no_text(self) -> None:
        with pytest.raises(ContractBroken, match="'hostname' must be a string, got bytes"):
            sample_of(hostname=b"n2")


class TestBounds:
    """What a header announces is not believed."""

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"\xc1", id="the byte that is never used"),
            pytest.param(b"\x91" * 5000, id="nested arrays"),
            pytest.param(b"\x81\xa1a" * 5000, id="nested maps"),
            pytest.param(b"\xdd\xff\xff\xff\xff", id="4 billion entries"),
            pytest.param(b"\x91\xdd\xff\xff\xff\xff", id="an entry of 4 billion"),
            pytest.param(b"\x91\xdf\xff\xff\xff\xff", id="a map of 4 billion"),
            pytest.param(b"\x91\xdb\xff\xff\xff\xff", id="a string of 4 GiB"),
            pytest.param(b"\x91\xc6\xff\xff\xff\xff", id="bytes of 4 GiB"),
            pytest.param(b"\x91\xc9\xff\xff\xff\xff\x01", id="an extension of 4 GiB"),
            pytest.param(b"\x91\x81\x91\x01\x01", id="a list as key"),
            pytest.param(b"\x91\xc7\x05\xff" + b"\xff" * 5, id="a broken time stamp"),
            pytest.param(b"\x90\x00", id="bytes left over"),
            pytest.param(b"\x80", id="a map for an array"),
            pytest.param(b"\x91" + b"\x00" * MAX_ANSWER_BYTES, id="more than 16 MiB"),
        ],
    )
    def test_a_lie_is_a_named_error(self, data: bytes) -> None:
        with pytest.raises(ContractBroken, match=r"node 2 .*worker_stats: the answer can't be"):
            decode.decode_workers(data, target=TARGET)
        with pytest.raises(ContractBroken, match=r"node 2 .*get_host_info"):
            decode.decode_host_info(data, target=TARGET)

    def test_a_nested_bomb_allocates_no_more_than_it_could_hold(self) -> None:
        bomb = b"\x91" + b"\xdc\x0f\xff" * 1000 + b"\x00" * 100_000
        tracemalloc.start()
        try:
            with pytest.raises(ContractBroken):
                decode.decode_workers(bomb, target=TARGET)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 64 * 1024 * 1024

    def test_a_full_ring_of_a_long_lived_runtime_fits(self) -> None:
        ring = [{**SAMPLE, "event_id": event_id} for event_id in range(40_000)]
        samples = decode.decode_system_samples(packed(ring), target=TARGET)
        assert len(samples) == 40_000


class TestPoolStats:
    @pytest.mark.parametrize(
        ("data", "text"),
        [(b"563.0", "563.0"), (b"5", "5"), (b"hello", "hello"), (b"\xff\xfe", None), (b"", None)],
    )
    def test_what_is_no_map_is_kept_raw(self, data: bytes, text: str | None) -> None:
        stats = decode.decode_pool_stats(data, target=TARGET, query="pool_stats://560.0:local:x")
        assert stats.raw == data
        assert stats.figures is None
        assert (stats.text or None) == text

    def test_an_unknown_map_is_kept(self) -> None:
        figures = {"num_blobs": 3, "nested": {"a": [1, 2]}}
        stats = decode.decode_pool_stats(packed(figures), target=TARGET, query="x")
        assert stats.figures == figures

    def test_an_answer_too_large_is_named(self) -> None:
        with pytest.raises(ContractBroken, match="16777217 bytes"):
            decode.decode_pool_stats(b" " * (MAX_ANSWER_BYTES + 1), target=TARGET, query="x")


class TestAnswerPart:
    def test_the_target_s_own_part(self) -> None:
        answer = Answer(parts={1: b"one", 2: b"two"}, return_code=0, boot=None)
        assert decode.answer_part(answer, target=TARGET, query="worker_stats") == b"two"

    def test_another_node_s_answer_is_not_taken(self) -> None:
        answer = Answer(parts={0: b"zero"}, return_code=0, boot=None)
        with pytest.raises(ContractBroken, match="holds node 0 and not node 2") as caught:
            decode.answer_part(answer, target=TARGET, query="worker_stats")
        assert "host file" in caught.value.remedy

    def test_an_empty_answer_means_an_unknown_query(self) -> None:
        answer = Answer(parts={}, return_code=0, boot=None)
        with pytest.raises(ContractBroken, match="no_such_query: the answer is empty"):
            decode.answer_part(answer, target=TARGET, query="no_such_query")

    def test_a_return_code_is_told(self) -> None:
        answer = Answer(parts={2: b"x"}, return_code=3, boot=None)
        with pytest.raises(RuntimeRefused, match="return code 3") as caught:
            decode.answer_part(answer, target=TARGET, query="pool_stats://9.0:local:stats")
        assert caught.value.return_code == 3
