"""Storing is idempotent, independent of order, and loses nothing."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.history.errors import SamplesWrong
from apps.history.models import (
    DayAggregate,
    HourAggregate,
    HourMinutes,
    HourRaw,
    MinuteBlock,
    RetentionFloor,
    Series,
    StorageTally,
)
from apps.history.selectors import raw_entries
from apps.history.services import history_merge, samples_store
from apps.history.types import RawEntry, SampleBatch, Stored
from tests.history.conftest import AT, BOOT, CLUSTER, batch, ms, node

pytestmark = pytest.mark.django_db

TABLES = (MinuteBlock, HourRaw, HourMinutes, HourAggregate, DayAggregate, StorageTally)
START = ms(AT - timedelta(hours=3))


def store(*batches: SampleBatch) -> Stored:
    return samples_store(cluster_key=CLUSTER, batches=batches, at=AT)


def entries() -> list[RawEntry]:
    return raw_entries(cluster_key=CLUSTER, subject=node())


def everything() -> list[list[tuple[object, ...]]]:
    """All rows, but for tallies that came to nothing."""
    return [
        sorted(
            row
            for row in (
                tuple(bytes(one) if isinstance(one, memoryview) else one for one in values)
                for values in table.objects.values_list()
            )
            if table is not StorageTally or row[-1]
        )
        for table in TABLES
    ]


def second(number: int, *, boot: int = BOOT, at: int | None = None) -> SampleBatch:
    """One sample, `number` seconds after START."""
    time = START + number * 1000 if at is None else at
    return batch(
        [time],
        boot=boot,
        event_ids=[number],
        cpu_usage_pct=[number * 0.37 % 100],
        ram_available_bytes=[24_000_000_000 + 4096 * number],
        gpu_usage_pct=[None if number % 3 else 50.0],
    )


def test_a_sample_comes_back() -> None:
    assert store(second(7)) == Stored(new=1, known=0, too_late=0, minutes_written=1)
    (entry,) = entries()
    assert (entry.time_ms, entry.event_id, entry.boot) == (START + 7000, 7, BOOT)
    assert entry.values["cpu_usage_pct"] == 2.59
    assert entry.values["ram_available_bytes"] == 24_000_028_672
    assert entry.values["gpu_usage_pct"] is None
    assert entry.values["hbm_used_bytes"] is None


def test_the_same_minute_twice_changes_nothing() -> None:
    batches = [second(number) for number in range(200)]
    assert store(*batches).new == 200
    before = everything()
    assert store(*batches) == Stored(new=0, known=200, too_late=0, minutes_written=0)
    assert everything() == before


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=60),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
    st.booleans(),
)
@pytest.mark.django_db
def test_order_and_repetition_do_not_matter(
    numbers: list[int], parts: int, shuffle: random.Random, merge: bool
) -> None:
    Series.objects.all().delete()
    StorageTally.objects.all().delete()
    store(*(second(number) for number in sorted(set(numbers))))
    in_one = entries()
    history_merge(at=AT)
    at_rest = everything()
    Series.objects.all().delete()
    StorageTally.objects.all().delete()
    shuffled = list(numbers)
    shuffle.shuffle(shuffled)
    for part in range(parts):
        store(*(second(number) for number in shuffled[part::parts]))
        if merge:
            history_merge(at=AT)
    assert entries() == in_one
    history_merge(at=AT)

    # The series has another key now: compare all but that.
    def anonymous(rows: list[list[tuple[object, ...]]]) -> list[list[tuple[object, ...]]]:
        tables = [[row[1:] for row in table] for table in rows[:-1]]
        return [*tables, [row[2:] for row in rows[-1]]]

    assert anonymous(everything()) == anonymous(at_rest)


def test_contradicting_samples_of_one_identity_give_one_whatever_comes_first() -> None:
    one = batch([START], event_ids=[1], cpu_usage_pct=[10.0])
    other = batch([START + 1], event_ids=[1], cpu_usage_pct=[20.0])
    store(one)
    store(other)
    first = [(entry.time_ms, entry.values) for entry in entries()]
    Series.objects.all().delete()
    store(other)
    store(one)
    assert [(entry.time_ms, entry.values) for entry in entries()] == first
    assert len(first) == 1


def test_event_ids_that_start_again_with_another_process_are_other_samples() -> None:
    store(second(5), second(5, boot=BOOT + 1, at=START + 9000))
    assert [(entry.boot, entry.event_id) for entry in entries()] == [(BOOT, 5), (BOOT + 1, 5)]


def test_time_that_goes_backwards_is_kept_as_it_was() -> None:
    store(second(10), second(11, at=START + 4000), second(12, at=START - 70_000))
    by_event = raw_entries(cluster_key=CLUSTER, subject=node(), since_event_id=0, boot=BOOT)
    assert [entry.event_id for entry in by_event] == [10, 11, 12]
    assert [entry.time_ms - START for entry in by_event] == [10_000, 4000, -70_000]
    assert [entry.event_id for entry in entries()] == [12, 11, 10]


def test_merging_moves_closed_hours_and_changes_no_sample() -> None:
    store(*(second(number) for number in range(0, 3 * 3600, 7)))
    before = entries()
    assert history_merge(at=AT) == 1  # hours 9 to 12; only the first has rested for two hours
    assert (HourRaw.objects.count(), HourMinutes.objects.count()) == (1, 1)
    assert MinuteBlock.objects.count() == 120
    assert entries() == before
    assert history_merge(at=AT) == 0
    assert history_merge(at=AT + timedelta(hours=9)) == 2
    assert MinuteBlock.objects.count() == 0
    assert DayAggregate.objects.get().count == len(before)
    assert entries() == before


def test_a_late_sample_opens_its_merged_hour_again() -> None:
    numbers = [number for number in range(3600) if number != 1234]
    store(*(second(number) for number in numbers))
    history_merge(at=AT)
    assert MinuteBlock.objects.count() == 0
    assert store(second(1234)) == Stored(new=1, known=0, too_late=0, minutes_written=1)
    assert MinuteBlock.objects.count() == 60
    assert HourAggregate.objects.count() == 0
    history_merge(at=AT)
    together = everything()
    Series.objects.all().delete()
    StorageTally.objects.all().delete()
    store(*(second(number) for number in range(3600)))
    history_merge(at=AT)
    at_once = everything()
    assert [row[2:] for row in together[1]] == [row[2:] for row in at_once[1]]
    assert [row[2:] for row in together[3]] == [row[2:] for row in at_once[3]]
    assert together[5] == at_once[5]


def test_a_known_sample_of_a_merged_hour_changes_nothing_in_the_end() -> None:
    store(*(second(number) for number in range(100)))
    history_merge(at=AT)
    before = everything()
    assert store(second(50)).known == 1
    history_merge(at=AT)
    assert everything() == before


def test_what_retention_has_removed_is_too_late() -> None:
    RetentionFloor.objects.create(resolution="raw", before=AT - timedelta(hours=1))
    stored = store(second(0), second(2 * 3600 + 5))
    assert (stored.new, stored.too_late) == (1, 1)


def test_series_keep_their_label_and_their_first_and_last_time() -> None:
    store(second(100), second(40))
    store(batch([START + 50_000], cpu_usage_pct=[1.0]))
    series = Series.objects.get()
    assert series.first_at == AT - timedelta(hours=3) + timedelta(seconds=40)
    assert series.last_at == AT - timedelta(hours=3) + timedelta(seconds=100)
    store(SampleBatch("node", "1", "system", "renamed", None, [START], None, {}))
    assert Series.objects.get().label == "renamed"


def test_clusters_and_kinds_are_apart() -> None:
    store(second(1))
    samples_store(cluster_key=2, batches=[second(1), second(2)], at=AT)
    assert len(entries()) == 1
    assert len(raw_entries(cluster_key=2, subject=node())) == 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (batch([START], kind="nonsense"), "no kind 'nonsense'"),
        (batch([START], subject_kind="planet"), "no kind of subject 'planet'"),
        (batch([START], frequency=[1]), "no metric 'frequency'"),
        (batch([START, START + 1], cpu_usage_pct=[1.0]), "1 values for 2 times"),
        (batch([START], event_ids=[1, 2]), "2 event ids for 1"),
        (batch([START], boot=2**63), "more than 64 bits"),
        (batch([-1]), "years 1970 to 2099"),
        (batch([START * 1000]), "years 1970 to 2099"),
    ],
)
def test_what_does_not_fit_together_is_refused_and_nothing_is_stored(
    wrong: SampleBatch, says: str
) -> None:
    with pytest.raises(SamplesWrong, match=says):
        store(second(1), wrong)
    assert Series.objects.count() == 0
