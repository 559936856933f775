"""Which samples are new, also for a client that can't tell a restart."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from apps.collector.samples import (
    BEYOND_ANY_EVENT,
    Arrived,
    SampleCursor,
    chunks_of,
    clock_skew_s,
    sample_time,
    samples_arrive,
    time_from,
)
from apps.runtime.types import SystemSample
from tests.factories import AT


def sample(event_id: int, *, wall: datetime = AT) -> SystemSample:
    return SystemSample(
        event_id=event_id,
        timestamp_ns=10**12 + event_id * 10**9,
        wall_time_ns=int(wall.timestamp()) * 10**9,
        node_id=0,
        hostname="a",
        ip_address="10.0.0.1",
        is_leader=True,
        cpu_usage_pct=1.0,
        ram_usage_pct=2.0,
        ram_total_bytes=100,
        ram_available_bytes=98,
        gpu_count=0,
        gpu_usage_pct=None,
        hbm_usage_pct=None,
        hbm_used_bytes=None,
        hbm_total_bytes=None,
    )


def arrive(
    cursor: SampleCursor, *ids: int, boot: int | None = 7, asked: int = 0, after_s: float = 0
) -> Arrived:
    return samples_arrive(
        cursor,
        [sample(number) for number in ids],
        boot=boot,
        asked_from=asked,
        at=AT + timedelta(seconds=after_s),
    )


def new_ids(arrived: Arrived) -> list[int]:
    return [one.event_id for one in arrived.new]


def test_the_first_answer_is_all_new() -> None:
    arrived = arrive(SampleCursor(), 0, 1, 2)
    assert new_ids(arrived) == [0, 1, 2]
    assert arrived.cursor == SampleCursor(boot=7, last_event_id=2, received_at=AT)
    assert not arrived.restarted
    assert arrived.cursor.next_event_id(at=AT) == 3


def test_what_is_stored_is_not_new() -> None:
    cursor = SampleCursor(boot=7, last_event_id=5)
    assert new_ids(arrive(cursor, 4, 5, 6, asked=4)) == [6]
    assert new_ids(arrive(cursor, asked=6)) == []


def test_another_boot_begins_anew_and_asks_for_all() -> None:
    cursor = SampleCursor(boot=7, last_event_id=5, received_at=AT)
    arrived = arrive(cursor, boot=8, asked=6)
    assert arrived.restarted
    assert arrived.cursor == SampleCursor(boot=8)
    assert arrived.cursor.next_event_id(at=AT) == 0
    assert new_ids(arrive(arrived.cursor, 0, 1, boot=8)) == [0, 1]


def test_a_tail_of_another_boot_is_shown_but_not_stored() -> None:
    # Restarted, and up for longer than before: the answer starts in the middle.
    arrived = arrive(SampleCursor(boot=7, last_event_id=5), 6, 7, 8, boot=8, asked=6)
    assert new_ids(arrived) == []
    assert arrived.newest is not None
    assert arrived.newest.event_id == 8
    assert arrived.cursor == SampleCursor(boot=8)


def test_a_second_answer_to_the_same_question_is_not_stored_either() -> None:
    # The first came after its round had ended, when the second had been asked already.
    first = arrive(SampleCursor(boot=7, last_event_id=1), 2, 3, boot=8, asked=2)
    second = arrive(first.cursor, 2, 3, 4, boot=8, asked=2)
    assert new_ids(second) == []
    assert second.newest is not None
    assert second.newest.event_id == 4
    assert second.cursor == SampleCursor(boot=8)
    assert second.cursor.next_event_id(at=AT) == 0
    assert new_ids(arrive(second.cursor, 0, 1, 2, 3, 4, boot=8)) == [0, 1, 2, 3, 4]


def test_an_answer_that_begins_behind_what_is_missing_is_not_stored() -> None:
    cursor = SampleCursor(boot=7, last_event_id=5, received_at=AT)
    ahead = arrive(cursor, 9, 10, asked=9, after_s=1)
    assert (new_ids(ahead), ahead.cursor) == ([], cursor)


def test_without_a_boot_number_lower_ids_tell_a_restart() -> None:
    first = arrive(SampleCursor(), 0, 1, 2, boot=None)
    own = first.cursor.boot
    assert own is not None
    assert own < 0
    more = arrive(first.cursor, 3, boot=None, asked=3, after_s=1)
    assert (more.cursor.boot, new_ids(more)) == (own, [3])
    silent = arrive(more.cursor, boot=None, asked=4, after_s=5)
    assert silent.cursor.next_event_id(at=AT + timedelta(seconds=12)) == 0
    anew = arrive(silent.cursor, 0, 1, boot=None, asked=0, after_s=12)
    assert anew.restarted
    assert anew.cursor.boot != own
    assert new_ids(anew) == [0, 1]


def test_a_silent_sampler_is_asked_anew_now_and_then() -> None:
    cursor = SampleCursor(boot=7, last_event_id=2, received_at=AT)
    late = AT + timedelta(seconds=11)
    assert cursor.next_event_id(at=late) == 0
    asked = arrive(cursor, 0, 1, 2, asked=0, after_s=11).cursor
    assert asked.next_event_id(at=late + timedelta(seconds=1)) == 3
    assert asked.received_at == AT


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        (SampleCursor(), True),
        (SampleCursor(boot=7, last_event_id=5), True),
        (SampleCursor(boot=7, last_event_id=5, received_at=AT - timedelta(seconds=59)), False),
        (SampleCursor(boot=7, last_event_id=5, received_at=AT - timedelta(seconds=61)), True),
    ],
)
def test_who_has_a_long_answer_ready(cursor: SampleCursor, expected: bool) -> None:
    assert cursor.catches_up(at=AT) is expected


def test_a_sign_of_life_changes_nothing() -> None:
    cursor = SampleCursor(boot=7, last_event_id=5, received_at=AT)
    arrived = arrive(cursor, asked=BEYOND_ANY_EVENT)
    assert arrived.cursor == cursor
    assert arrived.newest is None


def test_chunks_are_bounded() -> None:
    sizes = [len(piece) for piece in chunks_of([sample(number) for number in range(700)])]
    assert sizes == [300, 300, 100]


@pytest.mark.parametrize("off_s", [-3600, -6, 6, 3600])
def test_a_clock_that_is_off_is_not_believed(off_s: int) -> None:
    one = sample(5, wall=AT + timedelta(seconds=off_s))
    assert sample_time(one, received_at=AT) == AT
    assert clock_skew_s(one, received_at=AT) == -off_s


@pytest.mark.parametrize("off_s", [-4, 0, 4])
def test_a_clock_that_is_right_gives_the_samples_own_time(off_s: int) -> None:
    own = AT + timedelta(seconds=off_s)
    assert sample_time(sample(5, wall=own), received_at=AT) == own


def test_times_within_an_answer_follow_the_monotonic_clock() -> None:
    assert time_from(sample(100), AT, sample(40)) == AT - timedelta(seconds=60)
    assert time_from(sample(1), AT, sample(9)) == AT
