from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from apps.runtime.breaker import BreakerState
from apps.runtime.client import RuntimeClient
from apps.runtime.errors import (
    ClientClosed,
    ContractBroken,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimedOut,
    RuntimeUnreachable,
)
from apps.runtime.scatter import Ask, Outcome, Round, Scatter
from apps.runtime.types import Target
from tests.runtime.fakes import Clock, FakeClient, Question, failing, silent

NODES = [Target(node_id, "127.0.0.1", 9413 + 10 * node_id) for node_id in range(4)]


class Bench:
    """A scatter over a fake client, with a clock that stands still."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.client = FakeClient()
        client: RuntimeClient = self.client
        self.scatter = Scatter(client, monotonic=self.clock.monotonic)

    def round(self, kind: str = "system", nodes: list[Target] | None = None) -> Round:
        """A round that does not wait: with a clock that stands still it would for ever."""
        asks = [Ask(node, "q") for node in (NODES if nodes is None else nodes)]
        return self.scatter.round(kind, asks, at=self.clock.at, budget_s=0.0, deadline_s=5.0)

    def rounds(self, count: int, every_s: float = 2.0) -> Iterator[Round]:
        for _ in range(count):
            yield self.round()
            self.clock.advance(every_s)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def node_ids(outcomes: tuple[Outcome, ...]) -> list[int]:
    return [outcome.target.node_id for outcome in outcomes]


def test_all_nodes_are_asked_at_once(bench: Bench) -> None:
    done = bench.round()
    assert bench.client.asked_nodes() == [0, 1, 2, 3]
    assert node_ids(done.answers) == [0, 1, 2, 3]
    assert not done.pending
    assert not done.refused
    assert not any(outcome.late for outcome in done.outcomes)
    assert {question.deadline_s for question in bench.client.asked} == {5.0}


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeTimedOut("slow"),
        RuntimeUnreachable("gone"),
        ContractBroken("odd"),
        RuntimeRefused("rc 2", return_code=2),
        RuntimeFailure("other"),
    ],
)
def test_one_failing_node_affects_no_other(bench: Bench, failure: RuntimeFailure) -> None:
    bench.client.behaviours[2] = failing(failure)
    for done in bench.rounds(20):
        assert node_ids(done.answers) == [0, 1, 3]
        assert [outcome.failure for outcome in done.failures] in ([failure], [])


def test_a_fault_of_the_client_itself_stays_with_its_node(bench: Bench) -> None:
    bench.client.behaviours[1] = failing(KeyError("x"))
    done = bench.round()
    assert node_ids(done.answers) == [0, 2, 3]
    (outcome,) = done.failures
    assert type(outcome.failure) is RuntimeFailure
    assert "KeyError" in str(outcome.failure)


def test_a_cancelled_question_is_a_closed_client(bench: Bench) -> None:
    def cancel(question: Question) -> None:
        question.future.cancel()

    bench.client.behaviours[1] = cancel
    (outcome,) = bench.round().failures
    assert isinstance(outcome.failure, ClientClosed)


def test_a_client_that_refuses_to_send_is_an_outcome(bench: Bench) -> None:
    bench.client.raises = ClientClosed("closed")
    done = bench.round()
    assert len(done.failures) == 4
    assert all(isinstance(outcome.failure, ClientClosed) for outcome in done.failures)
    assert bench.scatter.breaker.state(NODES[0]) is BreakerState.CLOSED


def test_an_address_that_cannot_be_used_is_an_outcome(bench: Bench) -> None:
    bench.client.raises = ValueError("client port 70000 is no port")
    done = bench.round()
    assert len(done.failures) == 4
    assert "70000" in str(done.failures[0].failure)
    assert not done.pending


def test_a_late_answer_is_an_answer_of_the_next_round(bench: Bench) -> None:
    bench.client.behaviours[3] = silent
    asked_at = bench.clock.at
    done = bench.round()
    assert dict(done.pending) == {NODES[3]: asked_at}
    bench.clock.advance(3.0)
    bench.client.last(3).answer(b"\x91\x01")
    bench.clock.advance(1.0)
    del bench.client.behaviours[3]
    late, *prompt = bench.round().outcomes
    assert late.target == NODES[3]
    assert late.late
    assert late.latency_s == 3.0
    assert late.asked_at == asked_at
    assert late.answered_at is not None
    assert (late.answered_at - asked_at).total_seconds() == 3.0
    assert late.answer is not None
    assert late.answer.parts == {3: b"\x91\x01"}
    # Node 3 owes nothing any more, so it was asked again at once.
    assert node_ids(tuple(prompt)) == [0, 1, 2, 3]


def test_at_most_one_question_of_a_kind_is_outstanding(bench: Bench) -> None:
    bench.client.behaviours[0] = silent
    for _ in range(4):
        bench.round("system")
        bench.round("workers")
        bench.clock.advance(1.0)
    assert bench.client.asked_nodes().count(0) == 2
    assert bench.client.asked_nodes().count(1) == 8


def test_the_same_node_twice_in_a_round_is_asked_once(bench: Bench) -> None:
    bench.client.behaviours[0] = silent
    bench.round(nodes=[NODES[0], NODES[0]])
    assert bench.client.asked_nodes() == [0]


def test_a_question_ends_at_its_deadline_whatever_the_client_does(bench: Bench) -> None:
    bench.client.behaviours[0] = silent
    first = bench.round()
    assert NODES[0] in first.pending
    bench.clock.advance(5.0)
    outcome = next(one for one in bench.round().outcomes if one.target == NODES[0])
    assert isinstance(outcome.failure, RuntimeTimedOut)
    assert "node 0" in outcome.failure.message
    assert "within 5 s" in outcome.failure.message
    assert outcome.answered_at is None
    # What comes after that is dropped: the question has ended.
    bench.client.asked[0].answer()
    bench.clock.advance(1.0)
    assert all(one.asked_at != outcome.asked_at for one in bench.round().outcomes)


def test_a_hung_node_is_asked_less_and_less(bench: Bench) -> None:
    bench.client.behaviours[0] = silent
    done = list(bench.rounds(100))
    asked = bench.client.asked_nodes()
    assert asked.count(1) == 100
    assert asked.count(0) < 20
    assert any(NODES[0] in one.refused for one in done)


def test_a_hung_node_spares_the_other_kinds(bench: Bench) -> None:
    bench.client.behaviours[0] = silent
    breaker = bench.scatter.breaker
    assert any(breaker.state(NODES[0]) is BreakerState.HALF_OPEN for _ in bench.rounds(15))
    before = len(bench.client.asked)
    assert bench.round("workers").refused == (NODES[0],)
    assert bench.client.asked_nodes()[before:] == [1, 2, 3]


def test_a_node_that_refuses_is_tried_every_round_and_back_at_once(bench: Bench) -> None:
    bench.client.behaviours[0] = failing(RuntimeUnreachable("refused"))
    list(bench.rounds(50))
    assert bench.client.asked_nodes().count(0) == 50
    del bench.client.behaviours[0]
    assert node_ids(bench.round().answers) == [0, 1, 2, 3]
    assert bench.scatter.breaker.state(NODES[0]) is BreakerState.CLOSED


def test_a_hung_node_that_answers_late_is_asked_again_at_once(bench: Bench) -> None:
    bench.client.behaviours[0] = silent
    for done in bench.rounds(40):
        if NODES[0] in done.pending and bench.scatter.breaker.state(NODES[0]) is (
            BreakerState.HALF_OPEN
        ):
            break
    bench.client.last(0).answer()
    del bench.client.behaviours[0]
    assert node_ids(bench.round().answers).count(0) == 2
    assert bench.scatter.breaker.state(NODES[0]) is BreakerState.CLOSED


@pytest.mark.parametrize("failure", [ContractBroken("odd"), RuntimeRefused("rc 2", return_code=2)])
def test_an_error_of_the_runtime_s_own_is_a_sign_of_life(
    bench: Bench, failure: RuntimeFailure
) -> None:
    bench.client.behaviours[0] = failing(failure)
    for done in bench.rounds(10):
        assert done.failures[0].sign_of_life
    assert bench.client.asked_nodes().count(0) == 10


def test_a_node_that_left_is_forgotten_and_its_answer_dropped(bench: Bench) -> None:
    bench.client.behaviours[0] = silent
    bench.client.behaviours[1] = silent
    bench.round()
    bench.client.last(1).answer()
    bench.scatter.retain(NODES[2:])
    bench.client.last(0).answer()
    done = bench.round(nodes=NODES[2:])
    assert node_ids(done.outcomes) == [2, 3]
    assert not done.pending


class TestWaiting:
    """With the real clock: what a round waits for."""

    def test_it_waits_for_answers_on_their_way(self) -> None:
        client = FakeClient()
        client.behaviours[0] = lambda question: threading.Timer(0.1, question.answer).start()
        done = Scatter(client).round(
            "system", [Ask(node, "q") for node in NODES], at=Clock().at, budget_s=30.0
        )
        assert sorted(node_ids(done.answers)) == [0, 1, 2, 3]
        assert not done.outcomes[0].late

    def test_it_does_not_wait_longer_than_its_budget(self) -> None:
        client = FakeClient()
        client.behaviours[0] = silent
        done = Scatter(client).round(
            "system", [Ask(node, "q") for node in NODES], at=Clock().at, budget_s=0.05
        )
        assert node_ids(done.answers) == [1, 2, 3]
        assert list(done.pending) == [NODES[0]]

    def test_it_does_not_wait_for_what_an_earlier_round_asked(self) -> None:
        client = FakeClient()
        client.behaviours[0] = silent
        scatter = Scatter(client)
        asks = [Ask(node, "q") for node in NODES]
        scatter.round("system", asks, at=Clock().at, budget_s=0.01)
        # Waiting the budget out would end this test by its timeout.
        done = scatter.round("system", asks, at=Clock().at, budget_s=3600.0, deadline_s=3600.0)
        assert node_ids(done.answers) == [1, 2, 3]

    def test_it_waits_only_briefly_for_a_node_that_has_failed(self) -> None:
        client = FakeClient()
        scatter = Scatter(client)
        scatter.breaker.failed(NODES[0], RuntimeTimedOut("silent"), at=Clock().at)
        client.behaviours[0] = silent
        asks = [Ask(node, "q") for node in NODES]
        # Waiting the budget out would end this test by its timeout.
        done = scatter.round("system", asks, at=Clock().at, budget_s=3600.0)
        assert node_ids(done.answers) == [1, 2, 3]
        assert list(done.pending) == [NODES[0]]

    def test_a_thousand_nodes_in_one_round(self) -> None:
        client = FakeClient()
        nodes = [Target(node_id, "127.0.0.1") for node_id in range(1000)]
        threads = threading.active_count()
        done = Scatter(client).round(
            "system", [Ask(node, "q") for node in nodes], at=Clock().at, budget_s=30.0
        )
        assert len(done.answers) == 1000
        assert threading.active_count() == threads

    def test_rounds_of_several_kinds_at_once(self) -> None:
        client = FakeClient()
        client.behaviours[0] = lambda question: threading.Timer(0.01, question.answer).start()
        scatter = Scatter(client)
        seen: dict[str, list[int]] = {}

        def work(kind: str) -> None:
            for _ in range(20):
                asks = [Ask(node, kind) for node in NODES]
                done = scatter.round(kind, asks, at=Clock().at, budget_s=30.0)
                assert {outcome.query for outcome in done.outcomes} == {kind}
                seen.setdefault(kind, []).extend(node_ids(done.answers))

        workers = [threading.Thread(target=work, args=(kind,)) for kind in ("a", "b", "c")]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert {kind: len(answers) for kind, answers in seen.items()} == {"a": 80, "b": 80, "c": 80}
