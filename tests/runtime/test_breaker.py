from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.runtime.breaker import Admission, Breaker, BreakerPolicy, BreakerState
from apps.runtime.errors import RuntimeFailure, RuntimeTimedOut, RuntimeUnreachable
from apps.runtime.types import Target

NODE = Target(0, "127.0.0.1")
OTHER = Target(1, "127.0.0.1")
START = datetime(2026, 1, 1, tzinfo=UTC)
SILENCE = RuntimeTimedOut("no answer")
REFUSAL = RuntimeUnreachable("refused")


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def opened(failure: RuntimeFailure = SILENCE) -> Breaker:
    breaker = Breaker()
    for _ in range(3):
        breaker.failed(NODE, failure, at=START)
    return breaker


def test_it_opens_at_the_third_failure_in_a_row() -> None:
    breaker = Breaker()
    for failures in range(3):
        assert breaker.admit(NODE, at=after(failures)) is Admission.ASK
        breaker.failed(NODE, SILENCE, at=after(failures))
    assert breaker.state(NODE) is BreakerState.OPEN
    assert breaker.admit(NODE, at=after(3.9)) is Admission.REFUSE
    assert breaker.admit(OTHER, at=after(3.9)) is Admission.ASK


def test_an_answer_in_between_starts_the_count_again() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.failed(NODE, SILENCE, at=START)
        breaker.failed(NODE, SILENCE, at=START)
        breaker.answered(NODE)
    assert breaker.admit(NODE, at=START) is Admission.ASK


def test_an_open_circuit_admits_one_probe_when_it_is_due() -> None:
    breaker = opened()
    assert breaker.admit(NODE, at=after(1.9)) is Admission.REFUSE
    assert breaker.admit(NODE, at=after(2.0)) is Admission.PROBE
    assert breaker.state(NODE) is BreakerState.HALF_OPEN
    assert breaker.admit(NODE, at=after(100)) is Admission.REFUSE


def test_the_interval_of_probes_grows_to_its_cap() -> None:
    breaker = opened()
    now = START
    gaps = []
    for _ in range(6):
        due = breaker.probe_at(NODE)
        assert due is not None
        gaps.append((due - now).total_seconds())
        now = due
        assert breaker.admit(NODE, at=now) is Admission.PROBE
        now += timedelta(seconds=5)
        breaker.failed(NODE, SILENCE, at=now, probe=True)
    assert gaps == [2, 4, 8, 10, 10, 10]


@pytest.mark.parametrize("probing", [False, True])
def test_it_closes_at_the_first_answer(probing: bool) -> None:
    breaker = opened()
    if probing:
        breaker.admit(NODE, at=after(2))
    breaker.answered(NODE)
    assert breaker.state(NODE) is BreakerState.CLOSED
    assert not breaker.is_failing(NODE)
    assert breaker.admit(NODE, at=after(2)) is Admission.ASK
    assert breaker.probe_at(NODE) is None


def test_the_interval_starts_small_again_after_an_answer() -> None:
    breaker = opened()
    for now in (2, 9, 22):
        assert breaker.admit(NODE, at=after(now)) is Admission.PROBE
        breaker.failed(NODE, SILENCE, at=after(now), probe=True)
    breaker.answered(NODE)
    for _ in range(3):
        breaker.failed(NODE, SILENCE, at=after(30))
    assert breaker.probe_at(NODE) == after(32)


def test_a_node_that_refuses_is_probed_at_every_round() -> None:
    breaker = opened(REFUSAL)
    for second in range(0, 600, 2):
        assert breaker.admit(NODE, at=after(second)) is Admission.PROBE
        # Another kind of question is spared while the probe is under way.
        assert breaker.admit(NODE, at=after(second)) is Admission.REFUSE
        breaker.failed(NODE, REFUSAL, at=after(second), probe=True)


def test_a_failure_from_before_it_opened_does_not_end_the_probe() -> None:
    breaker = opened()
    breaker.admit(NODE, at=after(2))
    breaker.failed(NODE, SILENCE, at=after(3))
    assert breaker.state(NODE) is BreakerState.HALF_OPEN


def test_a_failure_from_before_it_opened_does_not_grow_the_interval() -> None:
    breaker = opened()
    breaker.failed(NODE, SILENCE, at=after(1))
    assert breaker.probe_at(NODE) == after(2)


def test_an_abandoned_probe_is_due_again() -> None:
    breaker = opened()
    breaker.admit(NODE, at=after(2))
    breaker.abandoned(NODE, at=after(3))
    assert breaker.admit(NODE, at=after(3)) is Admission.PROBE


def test_abandoning_tells_nothing_of_a_closed_circuit() -> None:
    breaker = Breaker()
    breaker.abandoned(NODE, at=START)
    assert not breaker.is_failing(NODE)


def test_a_node_that_left_is_forgotten() -> None:
    breaker = opened()
    breaker.retain([OTHER])
    assert breaker.admit(NODE, at=START) is Admission.ASK


def test_the_policy_decides_when_it_opens() -> None:
    breaker = Breaker(BreakerPolicy(failures_to_open=1, probe_s=0.5))
    breaker.failed(NODE, SILENCE, at=START)
    assert breaker.probe_at(NODE) == after(0.5)
