"""The detection's decisions, without sockets or time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.runtime.errors import RuntimeTimedOut, WrongGeneration
from apps.runtime.types import Target, WireGeneration
from apps.runtime.wire.detection import Detection, DetectionTimes, Stage

V2_0, V2_2, V2_3 = WireGeneration.V2_0, WireGeneration.V2_2, WireGeneration.V2_3


def detection(
    configured: WireGeneration | None = None,
    *,
    allow_legacy_probe: bool = False,
    last_known: WireGeneration | None = None,
) -> Detection:
    return Detection(
        Target(3, "n3.example"),
        configured=configured,
        allow_legacy_probe=allow_legacy_probe,
        last_known=last_known,
        dialback="127.0.0.1:4000",
        times=DetectionTimes(),
    )


def silence(tried: Detection) -> Iterator[WireGeneration]:
    """Every generation that is sent to a runtime which never shows any sign."""
    step = tried.begin()
    while step.failure is None:
        if step.send is not None:
            yield step.send
        assert step.wait_s is not None
        step = tried.elapsed()
    if isinstance(step.failure, WrongGeneration | RuntimeTimedOut):
        return
    raise step.failure


def test_the_times_are_the_measured_ones() -> None:
    tried = detection()
    assert tried.begin().wait_s == 4.0
    assert tried.elapsed().wait_s == 10.0
    assert tried.elapsed().wait_s == 4.0


def test_an_answer_proves_2_3() -> None:
    tried = detection()
    assert tried.begin().send is V2_3
    assert tried.replied(V2_3).proven is V2_3
    assert tried.elapsed().send is None


def test_a_dial_back_without_an_answer_is_asked_as_2_2_after_the_wait() -> None:
    tried = detection()
    tried.begin()
    assert tried.dialled_back().send is None  # a 2.3 may still be about to answer
    assert tried.elapsed().send is V2_2
    assert tried.replied(V2_2).proven is V2_2


@pytest.mark.parametrize("configured", [None, V2_2, V2_3])
@pytest.mark.parametrize("last_known", [None, V2_2, V2_3, V2_0])
def test_silence_never_brings_a_legacy_frame_by_itself(
    configured: WireGeneration | None, last_known: WireGeneration | None
) -> None:
    assert list(silence(detection(configured, last_known=last_known))) == [V2_3, V2_3]


@pytest.mark.parametrize("tried", [detection(V2_0), detection(allow_legacy_probe=True)])
def test_the_operators_word_brings_one_after_two_silences(tried: Detection) -> None:
    assert list(silence(tried)) == [V2_3, V2_3, V2_0]


@pytest.mark.parametrize("known", [V2_2, V2_3])
def test_a_runtime_known_to_be_newer_never_gets_one(known: WireGeneration) -> None:
    assert V2_0 not in silence(detection(V2_0, last_known=known))
    assert V2_0 not in silence(detection(allow_legacy_probe=True, last_known=known))


def test_a_dial_back_forbids_the_legacy_frame_even_when_configured() -> None:
    tried = detection(V2_0)
    tried.begin()
    tried.dialled_back()
    failure = tried.elapsed().failure
    assert isinstance(failure, WrongGeneration)
    assert "configured as generation 2.0" in failure.message


@pytest.mark.parametrize("configured", [V2_0, V2_2])
def test_another_generation_than_the_configured_is_named(configured: WireGeneration) -> None:
    tried = detection(configured)
    tried.begin()
    failure = tried.replied(V2_3).failure
    assert isinstance(failure, WrongGeneration)
    assert "it is of generation 2.3" in failure.message


def test_a_late_answer_after_the_verdict_still_counts() -> None:
    tried = detection()
    list(silence(tried))
    assert tried.stage is Stage.FAILED
    assert tried.replied(V2_3).proven is V2_3


def test_a_late_dial_back_after_the_verdict_still_counts() -> None:
    tried = detection()
    list(silence(tried))
    assert tried.dialled_back().send is V2_2


def test_a_failure_names_the_node_and_the_address_it_should_dial() -> None:
    tried = detection()
    step = tried.begin()
    while step.failure is None:
        step = tried.elapsed()
    assert "node 3 (n3.example:9413)" in step.failure.message
    assert "127.0.0.1:4000" in step.failure.message
