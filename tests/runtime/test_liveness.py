"""The states of a node, by evidence: a simulated node polled every two seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.runtime.errors import (
    ClientClosed,
    ContractBroken,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimedOut,
    RuntimeUnreachable,
    WrongGeneration,
)
from apps.runtime.liveness import (
    Evidence,
    LivenessPolicy,
    evidence_with_outcome,
    evidence_with_pending,
    evidence_with_reach,
    owed_since,
    probe_due,
    verdict,
)
from apps.runtime.scatter import Ask, Outcome, Scatter
from apps.runtime.types import Answer, NodeState, Reachability, Target
from apps.runtime.watch import Watch
from tests.runtime.fakes import START, Clock, FakeClient, Question, silent

NODE = Target(0, "127.0.0.1")
OTHER = Target(1, "127.0.0.1", 9423)
ALIVE, SUSPECT, HUNG, DOWN, UNKNOWN = (
    NodeState.ALIVE,
    NodeState.SUSPECT,
    NodeState.HUNG,
    NodeState.DOWN,
    NodeState.UNKNOWN,
)
ACCEPTS, REFUSED, UNREACHABLE = (
    Reachability.ACCEPTS,
    Reachability.REFUSED,
    Reachability.UNREACHABLE,
)
STATES = tuple(NodeState)


class World:
    """One node behind the real `Scatter` and `Watch`, polled as the collector does."""

    def __init__(self, *, interval_s: float = 2.0) -> None:
        self.clock = Clock()
        self.client = FakeClient()
        self.scatter = Scatter(self.client, monotonic=self.clock.monotonic)
        self.reach = ACCEPTS
        self.probes = 0
        self.watch = Watch(prober=self._probe)
        self.interval_s = interval_s
        self.due: list[tuple[float, Question]] = []
        self.latencies: Iterable[float] = ()
        self.reasons: list[str] = []

    def _probe(self, targets: Iterable[Target]) -> Mapping[Target, Reachability]:
        self.probes += 1
        return dict.fromkeys(targets, self.reach)

    def answers_after(self, *latencies: float) -> None:
        """From now on answer the next questions this late, over and over."""
        assert latencies
        asked = 0

        def behave(question: Question) -> None:
            nonlocal asked
            latency_s = latencies[asked % len(latencies)]
            asked += 1
            if latency_s <= 0:
                question.answer()
            else:
                self.due.append((self.clock.seconds + latency_s, question))

        self.client.behaviours[0] = behave

    def fails_with(self, failure: RuntimeFailure) -> None:
        self.client.behaviours[0] = lambda question: question.fail(failure)

    def is_silent(self) -> None:
        self.client.behaviours[0] = silent

    def poll(self) -> NodeState:
        """One round and its verdict, now."""
        done = self.scatter.round(
            "system", [Ask(NODE, "system_stats")], at=self.clock.at, budget_s=0.0, deadline_s=5.0
        )
        self.watch.observe(done)
        told = self.watch.verdicts([NODE], at=self.clock.at)[NODE]
        self.reasons.append(told.reason)
        return told.state

    def run(self, seconds: float) -> list[NodeState]:
        """The state after each round, for so long."""
        states = []
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            states.append(self.poll())
            self._advance(self.interval_s)
        return states

    def _advance(self, seconds: float) -> None:
        """Move the clock, and let answers arrive at their own times on the way."""
        end = self.clock.seconds + seconds
        while arriving := [entry for entry in self.due if entry[0] <= end]:
            first = min(arriving, key=lambda entry: entry[0])
            self.due.remove(first)
            self.clock.seconds = max(first[0], self.clock.seconds)
            first[1].answer()
        self.clock.seconds = end


@pytest.fixture
def world() -> World:
    return World()


def changes(states: list[NodeState]) -> list[NodeState]:
    """The states without repetitions."""
    kept: list[NodeState] = []
    for state in states:
        if not kept or kept[-1] is not state:
            kept.append(state)
    return kept


class TestWholeStories:
    def test_a_node_that_answers_is_alive_from_the_first_round(self, world: World) -> None:
        assert changes(world.run(60)) == [ALIVE]
        assert world.probes == 0

    def test_a_paused_node_is_suspect_then_hung_then_alive_at_once(self, world: World) -> None:
        world.run(10)
        world.is_silent()
        silence_from = world.clock.seconds
        states = world.run(40)
        assert changes(states) == [ALIVE, SUSPECT, HUNG]
        assert states.index(SUSPECT) * world.interval_s <= 4
        assert states.index(HUNG) * world.interval_s == 10
        assert "has not answered for" in world.reasons[-1]
        # It goes on, and answers what it has been asked last.
        while world.watch.evidence(NODE).pending_since is None:
            world.run(2)
        world.client.last(0).answer()
        del world.client.behaviours[0]
        assert changes(world.run(30)) == [ALIVE]
        assert world.clock.seconds > silence_from + 40

    def test_a_paused_node_never_reads_down(self, world: World) -> None:
        world.is_silent()
        assert DOWN not in world.run(3600)

    def test_a_paused_node_is_probed_ever_more_seldom(self, world: World) -> None:
        world.run(10)
        world.is_silent()
        world.run(600)
        assert 20 < world.probes < 40
        world.run(4 * 3600)
        # Its listen queue holds a hundred connections, and nobody takes them off.
        assert world.probes < 100

    def test_a_killed_node_is_down_within_two_rounds(self, world: World) -> None:
        world.run(10)
        world.reach = REFUSED
        world.is_silent()
        states = world.run(10)
        assert states.index(DOWN) <= 2
        assert changes(states[states.index(DOWN) :]) == [DOWN]

    def test_a_killed_node_whose_connection_broke_is_down_in_one(self, world: World) -> None:
        world.run(10)
        world.reach = REFUSED
        world.fails_with(RuntimeUnreachable("the connection ended"))
        # A refusal at once: the question is 0 s old, and its failure makes a probe due.
        assert changes(world.run(20))[-1] is DOWN
        assert world.run(20).count(DOWN) == 10

    def test_a_node_that_comes_back_is_alive_in_its_first_round(self, world: World) -> None:
        world.reach = REFUSED
        world.fails_with(RuntimeUnreachable("refused"))
        assert changes(world.run(600))[-1] is DOWN
        del world.client.behaviours[0]
        assert world.poll() is ALIVE

    def test_a_cut_link_is_down_after_a_while(self, world: World) -> None:
        world.run(10)
        world.reach = UNREACHABLE
        world.is_silent()
        states = world.run(30)
        assert changes(states) == [ALIVE, SUSPECT, DOWN]
        assert states.index(DOWN) * world.interval_s >= 8
        assert "can't be reached" in world.reasons[-1]

    def test_a_hung_node_that_is_then_killed_is_down(self, world: World) -> None:
        world.is_silent()
        assert world.run(30)[-1] is HUNG
        world.reach = REFUSED
        world.fails_with(RuntimeUnreachable("the connection ended"))
        assert DOWN in world.run(40)

    def test_a_node_that_never_answered_is_unknown_at_first(self, world: World) -> None:
        world.is_silent()
        states = world.run(30)
        assert changes(states) == [UNKNOWN, SUSPECT, HUNG]

    @pytest.mark.parametrize(
        "latencies", [(0, 2.6), (0, 1.0, 2.0), (2.6,), (0.0, 0.0, 0.0, 2.5), (1.99, 2.01)]
    )
    def test_a_busy_machine_is_never_anything_but_alive(
        self, world: World, latencies: tuple[float, ...]
    ) -> None:
        world.poll()
        world.answers_after(*latencies)
        world._advance(world.interval_s)
        assert changes(world.run(600)) == [ALIVE]

    @pytest.mark.parametrize("latency_s", [3.2, 3.9, 4.5, 4.9])
    def test_alternating_late_answers_do_not_flap(self, world: World, latency_s: float) -> None:
        world.run(10)
        world.answers_after(0, latency_s)
        states = world.run(1200)
        # At the first late answer it may be suspected, once; from then on we know it.
        assert changes(states) in ([ALIVE], [ALIVE, SUSPECT, ALIVE])
        assert changes(states[10:]) == [ALIVE]

    @pytest.mark.parametrize(
        "failure", [ContractBroken("odd"), RuntimeRefused("rc 2", return_code=2)]
    )
    def test_an_answer_that_is_an_error_is_a_sign_of_life(
        self, world: World, failure: RuntimeFailure
    ) -> None:
        world.fails_with(failure)
        assert changes(world.run(60)) == [ALIVE]

    def test_a_generation_that_cannot_be_proven_is_unknown_and_says_so(self, world: World) -> None:
        world.fails_with(WrongGeneration("It speaks 2.0, perhaps."))
        states = world.run(60)
        assert HUNG not in states
        assert states[-1] is UNKNOWN
        assert world.reasons[-1] == "It speaks 2.0, perhaps."

    def test_a_closed_client_is_no_evidence(self, world: World) -> None:
        world.fails_with(ClientClosed("The portal is stopping."))
        assert changes(world.run(60)) == [UNKNOWN]
        assert world.reasons[-1] == "The portal is stopping."

    def test_a_portal_that_slept_does_not_blame_the_node(self, world: World) -> None:
        world.run(10)
        world.clock.advance(3600)
        known = world.watch.evidence(NODE)
        told = verdict(known, at=world.clock.at)
        assert told.state is UNKNOWN
        assert "60 min ago" in told.reason
        assert world.poll() is ALIVE


class TestOtherKinds:
    """Questions of several kinds tell of the same node."""

    def outcome(self, asked_s: float, settled_s: float, *, answered: bool) -> Outcome:
        return Outcome(
            kind="workers",
            target=NODE,
            query="worker_stats",
            asked_at=START + timedelta(seconds=asked_s),
            settled_at=START + timedelta(seconds=settled_s),
            latency_s=settled_s - asked_s,
            late=False,
            answer=Answer({0: b""}, 0, None) if answered else None,
            failure=None if answered else RuntimeTimedOut("no answer"),
        )

    def test_a_slow_question_does_not_accuse_a_node_that_answered_meanwhile(self) -> None:
        known = evidence_with_outcome(Evidence(), self.outcome(4, 4.1, answered=True))
        known = evidence_with_outcome(known, self.outcome(0, 5, answered=False))
        known = evidence_with_pending(known, START, at=START + timedelta(seconds=5))
        assert owed_since(known) is None
        assert verdict(known, at=START + timedelta(seconds=5)).state is ALIVE

    def test_an_old_answer_told_late_does_not_end_a_silence(self) -> None:
        known = evidence_with_outcome(Evidence(), self.outcome(10, 15, answered=False))
        known = evidence_with_outcome(known, self.outcome(3, 4, answered=True))
        assert owed_since(known) == START + timedelta(seconds=10)
        assert known.last_answer_at == START + timedelta(seconds=4)

    def test_a_pending_question_of_one_kind_is_not_erased_by_another_kind(self) -> None:
        clock, client = Clock(), FakeClient()
        scatter = Scatter(client, monotonic=clock.monotonic)
        watch = Watch(prober=lambda targets: dict.fromkeys(targets, ACCEPTS))
        watch.observe(scatter.round("system", [Ask(NODE, "q")], at=clock.at, budget_s=0.0))
        clock.advance(2)
        client.behaviours[0] = silent
        watch.observe(scatter.round("system", [Ask(NODE, "q")], at=clock.at, budget_s=0.0))
        clock.advance(3.5)
        watch.observe(scatter.round("workers", [Ask(OTHER, "q")], at=clock.at, budget_s=0.0))
        states = watch.verdicts([NODE, OTHER], at=clock.at)
        assert states[NODE].state is SUSPECT
        assert states[OTHER].state is ALIVE

    def test_nodes_that_left_are_dropped(self) -> None:
        clock, client = Clock(), FakeClient()
        scatter = Scatter(client, monotonic=clock.monotonic)
        watch = Watch(prober=lambda targets: dict.fromkeys(targets, ACCEPTS))
        asks = [Ask(NODE, "q"), Ask(OTHER, "q")]
        watch.observe(scatter.round("system", asks, at=clock.at, budget_s=0.0))
        assert set(watch.verdicts([NODE], at=clock.at)) == {NODE}
        assert watch.evidence(OTHER) == Evidence()


class TestProbing:
    def owing(self, seconds: float) -> Evidence:
        return evidence_with_pending(Evidence(), START, at=START + timedelta(seconds=seconds))

    def test_a_node_that_owes_nothing_is_not_probed(self) -> None:
        assert not probe_due(Evidence(), at=START)

    def test_a_node_just_asked_is_not_probed(self) -> None:
        assert not probe_due(self.owing(0.4), at=START + timedelta(seconds=0.4))
        assert probe_due(self.owing(0.5), at=START + timedelta(seconds=0.5))

    def test_a_failed_question_makes_a_probe_due_at_once(self) -> None:
        world = World()
        world.fails_with(RuntimeUnreachable("refused"))
        world.reach = REFUSED
        world.poll()
        assert world.probes == 1

    @pytest.mark.parametrize(("reach", "most"), [(REFUSED, 1.5), (UNREACHABLE, 1.5)])
    def test_refusals_are_cheap_and_looked_at_again_soon(
        self, reach: Reachability, most: float
    ) -> None:
        known = self.owing(1)
        for second in range(1, 400):
            known = evidence_with_reach(known, reach, at=START + timedelta(seconds=second))
        assert probe_due(known, at=START + timedelta(seconds=399 + most))

    def test_a_node_that_hangs_for_days_is_still_probed(self) -> None:
        known = self.owing(1)
        for count in range(100_000):
            known = evidence_with_reach(known, ACCEPTS, at=START + timedelta(seconds=count))
        rarely_s = LivenessPolicy().probe_rarely_s
        assert not probe_due(known, at=START + timedelta(seconds=99_999 + rarely_s - 1))
        assert probe_due(known, at=START + timedelta(seconds=99_999 + rarely_s))


reaches = st.sampled_from([ACCEPTS, UNREACHABLE, None])
failures = st.sampled_from(
    [
        RuntimeTimedOut("x"),
        RuntimeUnreachable("x"),
        ContractBroken("x"),
        WrongGeneration("x"),
        ClientClosed("x"),
        RuntimeRefused("x", return_code=1),
        RuntimeFailure("x"),
    ]
)


def outcome_at(
    asked_s: float, settled_s: float, *, failure: RuntimeFailure | None = None
) -> Outcome:
    return Outcome(
        kind="system",
        target=NODE,
        query="system_stats",
        asked_at=START + timedelta(seconds=asked_s),
        settled_at=START + timedelta(seconds=settled_s),
        latency_s=settled_s - asked_s,
        late=False,
        answer=Answer({0: b""}, 0, None) if failure is None else None,
        failure=failure,
    )


class TestProperties:
    @settings(max_examples=300, deadline=None)
    @given(
        steps=st.lists(
            st.tuples(
                st.floats(0.05, 4.9),  # seconds until the next answer
                st.floats(0.0, 4.9),  # how long it took
                st.lists(st.tuples(st.floats(0, 1), reaches, failures | st.none()), max_size=4),
            ),
            min_size=1,
            max_size=30,
        )
    )
    def test_answers_every_5_s_never_read_hung_or_down(
        self, steps: list[tuple[float, float, list[tuple[float, Reachability | None, object]]]]
    ) -> None:
        """Whatever else fails and whatever TCP finds (but a refusal) in between."""
        known = evidence_with_outcome(Evidence(), outcome_at(0, 0))
        now = 0.0
        for gap_s, latency_s, between in steps:
            for share, reach, failure in sorted(between, key=lambda event: event[0]):
                second = now + gap_s * share
                at = START + timedelta(seconds=second)
                if isinstance(failure, RuntimeFailure):
                    asked_s = max(second - 5, 0)
                    known = evidence_with_outcome(
                        known, outcome_at(asked_s, second, failure=failure)
                    )
                if reach is not None:
                    known = evidence_with_reach(known, reach, at=at)
                assert verdict(known, at=at).state in (ALIVE, SUSPECT)
            now += gap_s
            known = evidence_with_outcome(known, outcome_at(max(now - latency_s, 0), now))
            assert verdict(known, at=START + timedelta(seconds=now)).state is ALIVE

    @settings(max_examples=300, deadline=None)
    @given(
        latencies=st.lists(
            st.floats(0, 0.5) | st.floats(0, 0.5) | st.floats(1.0, 2.6), min_size=1, max_size=40
        )
    )
    def test_a_busy_machine_whole(self, latencies: list[float]) -> None:
        """Through `Scatter`, breaker and `Watch`: 1 to 2.6 s late in any order is alive."""
        world = World()
        world.poll()
        world.answers_after(*latencies)
        world._advance(world.interval_s)
        assert set(world.run(120)) == {ALIVE}

    @settings(max_examples=200, deadline=None)
    @given(seed=st.lists(st.sampled_from(["answer", "silent", "fail"]), min_size=1, max_size=30))
    def test_a_refused_node_reads_down_whatever_was_before(self, seed: list[str]) -> None:
        world = World()
        for event in seed:
            if event == "answer":
                world.answers_after(0)
            elif event == "silent":
                world.is_silent()
            else:
                world.fails_with(RuntimeTimedOut("x"))
            world.run(2)
        world.reach = REFUSED
        world.fails_with(RuntimeUnreachable("refused"))
        for question in world.client.asked:
            if not question.future.done():
                question.fail(RuntimeUnreachable("the connection ended"))
        world.run(30)
        assert set(world.run(20)) == {DOWN}

    @settings(max_examples=200, deadline=None)
    @given(
        failing=st.lists(failures, max_size=8),
        reached=st.lists(st.sampled_from(list(Reachability)), max_size=8),
        pending_s=st.none() | st.floats(0, 100),
        later_s=st.floats(0, 1e9),
    )
    def test_any_evidence_gives_a_state_and_a_sentence(
        self,
        failing: list[RuntimeFailure],
        reached: list[Reachability],
        pending_s: float | None,
        later_s: float,
    ) -> None:
        known = Evidence()
        for second, failure in enumerate(failing):
            known = evidence_with_outcome(known, outcome_at(second, second + 1, failure=failure))
        for second, reach in enumerate(reached):
            known = evidence_with_reach(known, reach, at=START + timedelta(seconds=second))
        pending = None if pending_s is None else START + timedelta(seconds=pending_s)
        known = evidence_with_pending(known, pending, at=START)
        told = verdict(known, at=START + timedelta(seconds=later_s))
        assert told.state in STATES
        assert told.reason
        if later_s > 1000:
            assert told.state is UNKNOWN
        if not any(isinstance(one, ContractBroken | RuntimeRefused) for one in failing):
            assert told.state is not ALIVE
