"""What is read is what a plain computation makes of the samples, at every resolution."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

import numpy as np
import pytest

from apps.history.errors import MetricUnknown, RangeWrong
from apps.history.selectors import (
    fleet_aggregate,
    heatmap,
    raw_entries,
    series_list,
    series_read,
    state_timeline,
    top_subjects,
)
from apps.history.services import (
    collection_mark,
    history_merge,
    retention_apply,
    samples_store,
    states_store,
)
from apps.history.types import (
    Curve,
    Resolution,
    RetentionLimits,
    SeriesResult,
    StateSample,
    SubjectRef,
)
from tests.history.conftest import AT, BOOT, CLUSTER, batch, ms, node

pytestmark = pytest.mark.django_db

BEGIN = AT - timedelta(hours=30)
CPU = "system.cpu_usage_pct"
RAM = "system.ram_available_bytes"
READS = "block_device.reads_per_s"


def read(
    metric: str, start: datetime, end: datetime, step_s: int, subject: SubjectRef | None = None
) -> SeriesResult:
    return series_read(
        cluster_key=CLUSTER,
        subjects=[subject or node()],
        metrics=[metric],
        start=start,
        end=end,
        step_s=step_s,
        at=AT,
    )


def noisy(count: int, *, every_ms: int, seed: int = 1, gap: tuple[int, int] = (0, 0)) -> list[int]:
    """Times with some jitter, without those whose number lies in the gap."""
    chance = random.Random(seed)
    return [
        ms(BEGIN) + number * every_ms + chance.randrange(-200, 200) + 300
        for number in range(count)
        if not gap[0] <= number < gap[1]
    ]


@pytest.mark.parametrize("merged", [False, True], ids=["as it came", "merged"])
@pytest.mark.parametrize("step_s", [30, 60, 600, 3600, 7200, 86_400])
def test_buckets_are_those_of_a_plain_computation(step_s: int, merged: bool) -> None:
    times = noisy(9000, every_ms=12_000, gap=(1500, 2200))
    chance = random.Random(3)
    cpu = [None if chance.random() < 0.1 else round(chance.random() * 100, 2) for _ in times]
    ram = [24_000_000_000 + chance.randrange(10**9) for _ in times]
    samples_store(
        cluster_key=CLUSTER,
        batches=[batch(times, cpu_usage_pct=cpu, ram_available_bytes=ram)],
        at=AT,
    )
    if merged:
        history_merge(at=AT + timedelta(days=1))
    for metric, values in ((CPU, cpu), (RAM, ram)):
        result = read(metric, BEGIN, AT, step_s)
        assert result.step_s == step_s
        (curve,) = result.curves
        width = step_s * 1000
        plain: dict[int, list[float]] = {}
        for time, value in zip(times, values, strict=True):
            if value is not None:
                plain.setdefault(time // width, []).append(value)
        for index, start in enumerate(result.starts_ms.tolist()):
            inside = plain.get(start // width, [])
            assert curve.counts[index] == len(inside)
            if inside:
                assert abs(curve.minimum[index] - min(inside)) < 1e-9
                assert abs(curve.maximum[index] - max(inside)) < 1e-9
                assert math.isclose(curve.average[index], sum(inside) / len(inside), rel_tol=1e-9)


@pytest.mark.parametrize("merged", [False, True], ids=["as it came", "merged"])
@pytest.mark.parametrize(
    ("step_s", "resolution"),
    [(1, Resolution.RAW), (60, Resolution.MINUTE), (3600, Resolution.HOUR)],
)
def test_a_gap_stays_a_gap(step_s: int, resolution: Resolution, merged: bool) -> None:
    begin = AT - timedelta(hours=12)
    times = [ms(begin) + 1000 * s for s in range(3600)]
    times += [ms(begin) + 1000 * s for s in range(4 * 3600 + 30, 5 * 3600)]
    samples_store(
        cluster_key=CLUSTER, batches=[batch(times, cpu_usage_pct=[50.0] * len(times))], at=AT
    )
    if merged:
        history_merge(at=AT)
    result = read(CPU, begin + timedelta(minutes=30), begin + timedelta(hours=5), step_s)
    assert result.resolution is resolution
    (curve,) = result.curves
    hole = range(
        math.ceil((ms(begin) + 3_603_000 - result.starts_ms[0]) / 1000 / step_s),
        (ms(begin) + 4 * 3_600_000 - int(result.starts_ms[0])) // 1000 // step_s,
    )
    assert len(hole) >= 2
    known = ~np.isnan(curve.average)
    assert not known[list(hole)].any()
    assert known[: max(hole[0] - 3, 1)].all()
    assert known[hole[-1] + 1 + 30 // step_s :].all()


def test_a_late_reading_makes_no_gap_but_a_missing_one_does() -> None:
    begin = AT - timedelta(hours=1)
    seconds = [0, 10, 20.4, 29.8, 41, 50, 60, 70, 120, 130, 140]
    times = [ms(begin) + int(s * 1000) for s in seconds]
    samples_store(
        cluster_key=CLUSTER,
        batches=[batch(times, cpu_usage_pct=[float(i) for i in range(len(times))])],
        at=AT,
    )
    (curve,) = read(CPU, begin, begin + timedelta(seconds=150), 10).curves
    assert curve.cadence_s == pytest.approx(10, abs=0.5)
    assert curve.counts.tolist() == [1, 1, 2, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1]
    assert curve.average[3] == 2.5 or curve.average[3] == 3.0  # the reading before still holds
    assert (
        np.isnan(curve.average).tolist() == [False] * 9 + [True] * 3 + [False] * 3
        or np.isnan(curve.average).tolist() == [False] * 10 + [True] * 2 + [False] * 3
    )


def counters(merged: bool) -> tuple[list[int], list[int], list[int]]:
    """Reads of a device every 10 s: a restart, a counter set back, a gap of ten minutes."""
    chance = random.Random(8)
    times, values, boots = [], [], []
    value, boot = 2**63, BOOT
    for number in range(3000):
        if 1000 <= number < 1060:
            value += 500
            continue
        if number == 700:
            value, boot = 3, BOOT + 1
        if number == 2000:
            value = 0
        times.append(ms(BEGIN) + number * 10_000 + chance.randrange(2000))
        values.append(value)
        boots.append(boot)
        value += chance.randrange(1000)
    for one in sorted(set(boots)):
        mine = [place for place, boot in enumerate(boots) if boot == one]
        samples_store(
            cluster_key=CLUSTER,
            batches=[
                batch(
                    [times[place] for place in mine],
                    key="1/bdev/301.0",
                    kind="block_device",
                    subject_kind="block_device",
                    boot=one,
                    total_reads=[values[place] for place in mine],
                )
            ],
            at=AT,
        )
    if merged:
        history_merge(at=AT + timedelta(days=1))
    return times, values, boots


@pytest.mark.parametrize("merged", [False, True], ids=["as it came", "merged"])
@pytest.mark.parametrize("step_s", [30, 60, 300, 3600, 86_400])
def test_rates_are_rises_over_times_with_restarts_and_gaps_left_out(
    step_s: int, merged: bool
) -> None:
    times, values, boots = counters(merged)
    device = SubjectRef("block_device", "1/bdev/301.0")
    result = read(READS, BEGIN, AT, step_s, device)
    (curve,) = result.curves
    rises: dict[int, list[tuple[int, int]]] = {}  # a rise counts where its later reading lies
    for place in range(1, len(times)):
        took, rise = times[place] - times[place - 1], values[place] - values[place - 1]
        if boots[place] == boots[place - 1] and rise >= 0 and took <= 150_000:
            bucket = (times[place] - int(result.starts_ms[0])) // (step_s * 1000)
            rises.setdefault(bucket, []).append((rise, took))
    for index in range(len(result.starts_ms)):
        inside = rises.get(index, [])
        assert curve.counts[index] == len(inside)
        if inside:
            assert curve.average[index] == pytest.approx(
                sum(rise for rise, _ in inside) * 1000 / sum(took for _, took in inside)
            )
            each = [rise * 1000 / took for rise, took in inside]
            assert curve.minimum[index] == pytest.approx(min(each), rel=1e-6)
            assert curve.maximum[index] == pytest.approx(max(each), rel=1e-6)


def test_a_counter_can_be_read_as_it_stands() -> None:
    times, values, _ = counters(merged=True)
    device = SubjectRef("block_device", "1/bdev/301.0")
    (curve,) = read("block_device.total_reads", BEGIN, AT, 3600, device).curves
    assert curve.maximum[0] == pytest.approx(
        max(v for t, v in zip(times, values, strict=True) if t < ms(BEGIN) + 3_600_000)
    )


@pytest.mark.parametrize(
    ("length", "points", "step_s", "resolution"),
    [
        (timedelta(minutes=5), 500, 1, "raw"),
        (timedelta(hours=1), 500, 10, "raw"),
        (timedelta(hours=24), 1440, 60, "minute"),
        (timedelta(hours=24), 500, 300, "minute"),
        (timedelta(days=30), 500, 7200, "hour"),
        (timedelta(days=30), 1000, 3600, "hour"),
        (timedelta(days=730), 500, 2 * 86_400, "day"),
        (timedelta(days=730), 10, 91 * 86_400, "day"),
    ],
)
def test_range_and_points_choose_the_step_and_the_resolution(
    length: timedelta, points: int, step_s: int, resolution: str
) -> None:
    result = series_read(
        cluster_key=CLUSTER,
        subjects=[node()],
        metrics=[CPU],
        start=AT - length,
        end=AT,
        points=points,
        at=AT,
    )
    assert (result.step_s, result.resolution) == (step_s, resolution)
    assert result.start <= AT - length
    assert result.end >= AT
    assert len(result.starts_ms) <= points + 1
    assert np.isnan(result.curves[0].average).all()


def test_where_the_fine_ones_are_gone_the_coarser_ones_serve() -> None:
    times = [ms(AT - timedelta(days=20)) + 10_000 * n for n in range(2000)]
    samples_store(
        cluster_key=CLUSTER, batches=[batch(times, cpu_usage_pct=[7.0] * len(times))], at=AT
    )
    history_merge(at=AT)
    begin = AT - timedelta(days=20)
    assert read(CPU, begin, begin + timedelta(hours=1), 10).resolution is Resolution.RAW
    limits = RetentionLimits(raw_days=14, minutes_days=92, hours_days=731, max_bytes=0)
    while not retention_apply(at=AT, limits=limits).done:
        pass
    result = read(CPU, begin, begin + timedelta(hours=1), 10)
    assert (result.resolution, result.step_s) == (Resolution.MINUTE, 60)
    assert result.curves[0].average.tolist() == [7.0] * 60
    assert read(CPU, AT - timedelta(hours=1), AT, 10).resolution is Resolution.RAW


def fleet() -> dict[str, list[float]]:
    """Twelve nodes, ten samples in each of thirty minutes."""
    chance = random.Random(5)
    begin = ms(AT - timedelta(hours=5))
    values = {str(key): [round(chance.random() * 100, 2) for _ in range(300)] for key in range(12)}
    samples_store(
        cluster_key=CLUSTER,
        batches=[
            batch([begin + 6000 * n for n in range(300)], key=key, cpu_usage_pct=listed)
            for key, listed in values.items()
        ],
        at=AT,
    )
    return values


@pytest.mark.parametrize("merged", [False, True], ids=["as it came", "merged"])
def test_fleet_heatmap_and_top_agree_with_the_samples(merged: bool) -> None:
    values = fleet()
    if merged:
        history_merge(at=AT)
    begin, end = AT - timedelta(hours=5), AT - timedelta(hours=4, minutes=30)
    result = fleet_aggregate(
        cluster_key=CLUSTER, subjects=None, metrics=[CPU], start=begin, end=end, step_s=60, at=AT
    )
    (curve,) = result.curves
    picture = heatmap(cluster_key=CLUSTER, metric=CPU, start=begin, end=end, at=AT)
    assert picture.values.shape == (12, 30)
    assert [one.key for one in picture.subjects] == [str(key) for key in range(12)]
    for minute in range(30):
        part = slice(minute * 10, minute * 10 + 10)
        means = [sum(listed[part]) / 10 for listed in values.values()]
        assert picture.values[:, minute].tolist() == pytest.approx(means)
        assert picture.maxima[:, minute].tolist() == pytest.approx(
            [max(listed[part]) for listed in values.values()]
        )
        assert curve.subjects[minute] == 12
        assert curve.average[minute] == pytest.approx(sum(means) / 12)
        assert curve.total[minute] == pytest.approx(sum(means))
        assert curve.p95[minute] == pytest.approx(float(np.percentile(means, 95)))
        assert curve.maximum[minute] == max(max(listed[part]) for listed in values.values())
        assert curve.minimum[minute] == min(min(listed[part]) for listed in values.values())
    top = top_subjects(cluster_key=CLUSTER, metric=CPU, start=begin, end=end, at=AT, limit=3)
    overall = {key: sum(listed) / 300 for key, listed in values.items()}
    best = sorted(overall, key=lambda key: -overall[key])[:3]
    assert [line.subject.key for line in top] == best
    assert [line.average for line in top] == pytest.approx([overall[key] for key in best])
    low = top_subjects(
        cluster_key=CLUSTER,
        metric=CPU,
        start=begin,
        end=end,
        at=AT,
        limit=1,
        lowest=True,
        by="maximum",
    )
    assert low[0].maximum == min(max(listed) for listed in values.values())


def test_fleet_leaves_out_those_that_are_not_known() -> None:
    begin = AT - timedelta(hours=5)
    samples_store(
        cluster_key=CLUSTER,
        batches=[
            batch([ms(begin)], key="1", cpu_usage_pct=[10.0]),
            batch([ms(begin)], key="2", cpu_usage_pct=[None]),
        ],
        at=AT,
    )
    result = fleet_aggregate(
        cluster_key=CLUSTER,
        subjects=None,
        metrics=[CPU],
        start=begin,
        end=begin + timedelta(minutes=20),
        step_s=600,
        at=AT,
    )
    assert result.curves[0].subjects.tolist() == [1, 0]
    assert result.curves[0].average[0] == 10
    assert math.isnan(result.curves[0].average[1])
    assert math.isnan(result.curves[0].p95[1])
    assert math.isnan(result.curves[0].maximum[1])


def change(state: str, minutes_ago: float, key: str = "1") -> StateSample:
    return StateSample("node", key, f"node {key}", state, AT - timedelta(minutes=minutes_ago))


def spans(start_min: float, end_min: float) -> list[tuple[str | None, float]]:
    (line,) = state_timeline(
        cluster_key=CLUSTER,
        subjects=[node()],
        start=AT - timedelta(minutes=start_min),
        end=AT - timedelta(minutes=end_min),
        at=AT,
    )
    return [(span.state, (span.end - span.start).total_seconds() / 60) for span in line.spans]


@pytest.mark.parametrize("merged", [False, True], ids=["as it came", "merged"])
def test_a_timeline_begins_with_the_state_from_before(merged: bool) -> None:
    changes = [
        change("alive", 4000),
        change("hung", 600),
        change("down", 595),
        change("alive", 500),
    ]
    assert states_store(cluster_key=CLUSTER, changes=changes, at=AT).new == 4
    assert states_store(cluster_key=CLUSTER, changes=changes, at=AT).known == 4
    if merged:
        history_merge(at=AT)
    assert spans(610, 400) == [("alive", 10), ("hung", 5), ("down", 95), ("alive", 100)]
    assert spans(300, -60) == [("alive", 300)]
    assert spans(4010, 3990) == [(None, 10), ("alive", 10)]


def test_a_timeline_does_not_know_what_the_portal_did_not_see() -> None:
    states_store(cluster_key=CLUSTER, changes=[change("alive", 100), change("down", 20)], at=AT)
    for minute in range(100, -1, -1):
        if not 30 <= minute < 60:
            collection_mark(cluster_key=CLUSTER, at=AT - timedelta(minutes=minute))
    assert spans(70, 0) == [("alive", 12.5), (None, 28.5), ("alive", 9), ("down", 20)]


def test_entries_by_event_are_those_of_one_process_from_the_asked_one_on() -> None:
    begin = ms(AT - timedelta(hours=6))
    for boot, shift in ((BOOT, 0), (BOOT + 5, 9_000_000)):
        samples_store(
            cluster_key=CLUSTER,
            batches=[
                batch(
                    [begin + shift + 1000 * n for n in range(5000)],
                    boot=boot,
                    event_ids=list(range(5000)),
                    cpu_usage_pct=[1.0] * 5000,
                )
            ],
            at=AT,
        )
    history_merge(at=AT)

    def found(**asked: int) -> list[int | None]:
        listed = raw_entries(cluster_key=CLUSTER, subject=node(), **asked)  # type: ignore[arg-type]
        return [entry.event_id for entry in listed]

    assert found(boot=BOOT, since_event_id=4990) == list(range(4990, 5000))
    assert found(boot=BOOT + 5, since_event_id=4000, limit=3) == [4000, 4001, 4002]
    assert found(since_event_id=4998) == [4998, 4999]
    newest = raw_entries(cluster_key=CLUSTER, subject=node(), since_event_id=4999)
    assert newest[0].boot == BOOT + 5
    assert found(boot=BOOT, since_event_id=6000) == []


def test_what_can_not_be_served_is_said() -> None:
    with pytest.raises(MetricUnknown, match=r"Did you mean system\.cpu_usage_pct"):
        read("system.cpu_usage", BEGIN, AT, 60)
    with pytest.raises(RangeWrong, match="after its start"):
        read(CPU, AT, BEGIN, 60)
    with pytest.raises(RangeWrong, match="larger step"):
        read(CPU, BEGIN, AT, 1)
    with pytest.raises(RangeWrong, match="fewer subjects"):
        series_read(
            cluster_key=CLUSTER,
            subjects=[node(str(key)) for key in range(1000)],
            metrics=[CPU],
            start=BEGIN,
            end=AT,
            points=10_000,
            at=AT,
        )


def test_series_are_listed_by_kind_and_part_of_a_node() -> None:
    times = [ms(AT)]
    samples_store(
        cluster_key=CLUSTER,
        batches=[
            batch(times, key="1", cpu_usage_pct=[1.0]),
            batch(times, key="1/worker/0", kind="worker", subject_kind="worker", load_us=[1.0]),
            batch(times, key="12/worker/0", kind="worker", subject_kind="worker", load_us=[1.0]),
        ],
        at=AT,
    )
    workers = series_list(cluster_key=CLUSTER, kind="worker", key_prefix="1/")
    assert [one.subject_key for one in workers] == ["1/worker/0"]


def test_a_subject_without_samples_has_an_empty_curve() -> None:
    curve: Curve = read(CPU, BEGIN, AT, 3600, node("99")).curves[0]
    assert np.isnan(curve.average).all()
    assert curve.cadence_s is None
