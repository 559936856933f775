"""Retention removes what is due and nothing else, in small steps; the plan says so before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Length

from apps.history.models import (
    HourAggregate,
    HourMinutes,
    HourRaw,
    MinuteBlock,
    RetentionFloor,
    StorageTally,
)
from apps.history.selectors import retention_plan, state_timeline
from apps.history.services import (
    history_merge,
    retention_apply,
    retention_limits,
    samples_store,
    states_store,
)
from apps.history.tally import ROW_BYTES
from apps.history.types import Removed, ResolutionPlan, RetentionLimits, StateSample
from tests.history.conftest import AT, CLUSTER, batch, ms, node

pytestmark = pytest.mark.django_db

LIMITS = RetentionLimits(raw_days=3, minutes_days=6, hours_days=9, max_bytes=0)
HOURS = 24 * 12
SERIES = 3


def fill() -> None:
    """Three nodes, twelve days, a sample every five minutes; all merged."""
    begin = ms(AT - timedelta(hours=HOURS))
    times = [begin + 300_000 * n for n in range(12 * HOURS)]
    samples_store(
        cluster_key=CLUSTER,
        batches=[
            batch(times, key=str(key), cpu_usage_pct=[n * 7.3 % 100 for n in range(len(times))])
            for key in range(SERIES)
        ],
        at=AT,
    )
    history_merge(at=AT + timedelta(hours=3))


def hours_kept(table: type[HourRaw] | type[HourMinutes] | type[HourAggregate]) -> int:
    """The age of the oldest row, in hours."""
    oldest = table.objects.order_by("hour").values_list("hour", flat=True)[0]
    return int(AT.timestamp()) // 3600 - oldest


def run(limits: RetentionLimits, *, step: int = 100) -> list[Removed]:
    steps = [retention_apply(at=AT, limits=limits, step=step)]
    while not steps[-1].done:
        steps.append(retention_apply(at=AT, limits=limits, step=step))
        assert len(steps) < 1000
    return steps


def line(name: str, limits: RetentionLimits = LIMITS) -> ResolutionPlan:
    plan = retention_plan(at=AT, limits=limits)
    return next(one for one in plan.resolutions if one.resolution == name)


def tallies_are_right() -> None:
    """The tallies are what counting would give."""
    for resolution, table, column in (
        ("raw", HourRaw, "block"),
        ("minute", HourMinutes, "block"),
        ("hour", HourAggregate, "aggregates"),
    ):
        size = table.objects.aggregate(size=Sum(Length(column)))["size"] or 0
        told = StorageTally.objects.filter(resolution=resolution).aggregate(
            rows=Sum("rows"), size=Sum("bytes")
        )
        assert told["rows"] == table.objects.count()
        assert told["size"] == size + ROW_BYTES * table.objects.count()


def test_each_resolution_is_kept_for_its_days() -> None:
    fill()
    tallies_are_right()
    steps = run(LIMITS)
    assert hours_kept(HourRaw) == 3 * 24
    assert hours_kept(HourMinutes) == 6 * 24
    assert hours_kept(HourAggregate) == 9 * 24
    removed = sum(sum(step.rows.values()) for step in steps)
    assert removed == SERIES * 24 * ((12 - 3) + (12 - 6) + (12 - 9))
    tallies_are_right()


def test_steps_are_small_and_the_last_one_says_so() -> None:
    fill()
    steps = run(LIMITS, step=48)
    assert max(sum(step.rows.values()) for step in steps) <= 48
    assert [step.done for step in steps] == [False] * (len(steps) - 1) + [True]
    assert retention_apply(at=AT, limits=LIMITS) == Removed({}, 0, done=True)


def test_too_many_bytes_take_the_finest_and_oldest_first() -> None:
    fill()
    generous = RetentionLimits(raw_days=100, minutes_days=100, hours_days=100, max_bytes=0)
    total = retention_plan(at=AT, limits=generous).total_bytes
    raw = line("raw", generous).bytes
    tight = RetentionLimits(100, 100, 100, max_bytes=total - raw // 2)
    run(tight)
    assert hours_kept(HourMinutes) == HOURS
    assert 12 < hours_kept(HourRaw) < HOURS
    assert retention_plan(at=AT, limits=tight).total_bytes <= tight.max_bytes
    tallies_are_right()
    tighter = RetentionLimits(100, 100, 100, max_bytes=total - raw - line("minute").bytes // 2)
    run(tighter)
    assert hours_kept(HourRaw) == 12  # the present day stays
    assert hours_kept(HourMinutes) < HOURS
    assert hours_kept(HourAggregate) == HOURS


def test_floors_only_rise() -> None:
    fill()
    run(LIMITS)
    before = dict(RetentionFloor.objects.values_list("resolution", "before"))
    run(RetentionLimits(raw_days=5, minutes_days=10, hours_days=12, max_bytes=0))
    assert dict(RetentionFloor.objects.values_list("resolution", "before")) == before
    assert before["raw"] == AT - timedelta(days=3)


def test_states_stay_as_long_as_hours() -> None:
    changes = [
        StateSample("node", "1", "node 1", "down", AT - timedelta(days=days)) for days in (20, 8, 1)
    ]
    states_store(cluster_key=CLUSTER, changes=changes, at=AT)
    history_merge(at=AT)
    run(LIMITS)
    (found,) = state_timeline(
        cluster_key=CLUSTER,
        subjects=[node()],
        start=AT - timedelta(days=25),
        end=AT,
        at=AT,
    )
    assert [(span.state, span.start) for span in found.spans] == [
        (None, AT - timedelta(days=25)),
        ("down", AT - timedelta(days=8)),
    ]


def test_the_plan_tells_size_growth_and_what_goes_when() -> None:
    fill()
    raw = line("raw")
    assert raw.rows == SERIES * HOURS
    assert raw.oldest_at == (AT - timedelta(days=12)).replace(hour=0)
    assert (raw.next_removal_at, raw.limited_by) == (AT, "days")
    run(LIMITS)
    raw = line("raw")
    day = (AT - timedelta(days=3)).replace(hour=0)
    sizes = StorageTally.objects.filter(resolution="raw", bytes__gt=0).order_by("day")
    assert raw.oldest_at == day
    assert raw.next_removal_bytes == sizes[0].bytes
    whole = [one.bytes for one in sizes][:-1]
    assert raw.bytes_per_day == pytest.approx(sum(whole) / len(whole))
    assert line("day").next_removal_at is None
    assert line("day").keep_days is None


def test_the_plan_tells_when_the_bytes_will_be_reached() -> None:
    fill()
    generous = RetentionLimits(raw_days=100, minutes_days=100, hours_days=100, max_bytes=0)
    plan = retention_plan(at=AT, limits=generous)
    assert plan.full_at is None
    days = 4
    assert plan.bytes_per_day is not None
    limits = RetentionLimits(
        100, 100, 100, max_bytes=plan.total_bytes + int(plan.bytes_per_day * days)
    )
    plan = retention_plan(at=AT, limits=limits)
    assert plan.full_at is not None
    assert (plan.full_at - AT).total_seconds() == pytest.approx(days * 86_400, rel=0.01)
    assert plan.resolutions[0].limited_by == "bytes"
    assert plan.resolutions[0].next_removal_at == plan.full_at


def test_an_empty_history_has_a_plan() -> None:
    plan = retention_plan(at=AT)
    assert (plan.total_bytes, plan.bytes_per_day, plan.full_at) == (0, None, None)
    assert plan.limits == retention_limits()
    assert plan.limits.raw_days == settings.PORTAL_HISTORY_RAW_DAYS


def test_what_is_not_merged_is_not_removed() -> None:
    old = ms(AT - timedelta(days=20))
    samples_store(cluster_key=CLUSTER, batches=[batch([old], cpu_usage_pct=[1.0])], at=AT)
    run(LIMITS)
    assert MinuteBlock.objects.count() == 1
    history_merge(at=AT)
    run(LIMITS)
    assert HourRaw.objects.count() == 0
