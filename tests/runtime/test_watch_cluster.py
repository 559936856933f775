"""Four real nodes, polled as the collector does it, while one of them gets into trouble.

Each test waits for states, with a limit far above what they take; how fast they come is
a matter of measurement.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import pytest

from apps.runtime.decode import answer_part, decode_system_samples
from apps.runtime.queries import system_stats_query
from apps.runtime.scatter import Ask, Outcome, Scatter
from apps.runtime.types import NodeState, SystemSample, Target
from apps.runtime.watch import Watch
from apps.runtime.wire.client import WireClient
from demo.local_cluster import LocalCluster

INTERVAL_S = 1.0
LIMIT_S = 90.0
VICTIM = 2
OTHERS = (0, 1, 3)

States = Mapping[int, NodeState]


class Polling:
    """The collector's loop over a real cluster, in small."""

    def __init__(self, client: WireClient, cluster: LocalCluster) -> None:
        self.scatter = Scatter(client)
        self.watch = Watch()
        self.targets = [Target(node.node_id, node.host, node.port) for node in cluster.nodes]
        self.victim_states: list[NodeState] = []
        self.others_states: set[NodeState] = set()
        self.samples: dict[int, list[SystemSample]] = {
            target.node_id: [] for target in self.targets
        }
        self.boots: dict[int, list[int | None]] = {target.node_id: [] for target in self.targets}
        self.others_latencies: list[float] = []

    def round(self) -> States:
        """One round: ask all, take in their samples, judge all."""
        query = system_stats_query()
        asks = [Ask(target, query) for target in self.targets]
        done = self.scatter.round(
            "system", asks, at=datetime.now(UTC), budget_s=INTERVAL_S * 0.7, deadline_s=5.0
        )
        for outcome in done.answers:
            self._take(outcome)
        self.watch.observe(done)
        verdicts = self.watch.verdicts(self.targets, at=done.ended_at)
        states = {target.node_id: told.state for target, told in verdicts.items()}
        self.victim_states.append(states[VICTIM])
        self.others_states |= {states[node_id] for node_id in OTHERS}
        return states

    def _take(self, outcome: Outcome) -> None:
        assert outcome.answer is not None
        part = answer_part(outcome.answer, target=outcome.target, query=outcome.query)
        node_id = outcome.target.node_id
        self.samples[node_id] = list(decode_system_samples(part, target=outcome.target))
        self.boots[node_id].append(outcome.answer.boot)
        if node_id in OTHERS:
            self.others_latencies.append(outcome.latency_s)

    def until(self, wanted: Callable[[States], bool]) -> States:
        """Poll until the states are as wanted; fails after ``LIMIT_S``."""
        limit = time.monotonic() + LIMIT_S
        while time.monotonic() < limit:
            began = time.monotonic()
            states = self.round()
            if wanted(states):
                return states
            time.sleep(max(INTERVAL_S - (time.monotonic() - began), 0))
        raise AssertionError(f"the states stayed {states}")

    def until_victim(self, state: NodeState) -> None:
        self.until(lambda states: states[VICTIM] is state)

    def changes(self) -> list[NodeState]:
        kept: list[NodeState] = []
        for state in self.victim_states:
            if not kept or kept[-1] is not state:
                kept.append(state)
        return kept


@pytest.fixture
def polling(cluster4: LocalCluster) -> Iterator[Polling]:
    with WireClient() as client:
        polling = Polling(client, cluster4)
        polling.until(lambda states: set(states.values()) == {NodeState.ALIVE})
        polling.victim_states.clear()
        polling.others_states.clear()
        yield polling


def assert_others_unaffected(polling: Polling) -> None:
    # On a busy machine one may be late for a moment; what it must never be called is worse.
    assert polling.others_states <= {NodeState.ALIVE, NodeState.SUSPECT}
    for node_id in OTHERS:
        # Their samples went on, each their own, without a gap.
        assert {sample.node_id for sample in polling.samples[node_id]} == {node_id}
        ids = [sample.event_id for sample in polling.samples[node_id]]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert len(set(polling.boots[node_id])) == 1


def test_killed_then_started_again(polling: Polling, cluster4: LocalCluster) -> None:
    boots_before = set(polling.boots[VICTIM])
    cluster4.nodes[VICTIM].kill()
    polling.until_victim(NodeState.DOWN)
    answers = len(polling.boots[VICTIM])
    for _ in range(3):
        assert polling.round()[VICTIM] is NodeState.DOWN
    assert len(polling.boots[VICTIM]) == answers
    cluster4.nodes[VICTIM].start()
    polling.until_victim(NodeState.ALIVE)
    assert NodeState.HUNG not in polling.victim_states
    assert polling.changes()[-2:] == [NodeState.DOWN, NodeState.ALIVE]
    # Another process, whose ids begin again at 0 and whose first CPU figure is none.
    assert not boots_before & set(polling.boots[VICTIM][answers:])
    first = polling.samples[VICTIM][0]
    assert (first.event_id, first.cpu_usage_pct, first.node_id) == (0, None, VICTIM)
    assert_others_unaffected(polling)


def test_stopped_gracefully(polling: Polling, cluster4: LocalCluster) -> None:
    assert cluster4.nodes[VICTIM].stop() == 0
    polling.until_victim(NodeState.DOWN)
    assert NodeState.HUNG not in polling.victim_states
    assert_others_unaffected(polling)


def test_paused_then_resumed(polling: Polling, cluster4: LocalCluster) -> None:
    boots_before = set(polling.boots[VICTIM])
    answers = len(polling.boots[VICTIM])
    cluster4.nodes[VICTIM].pause()
    polling.until_victim(NodeState.HUNG)
    # Late, then hung; rounds that a busy machine holds up may miss the first.
    late_or_hung = [NodeState.SUSPECT, NodeState.HUNG]
    assert [state for state in polling.changes() if state is not NodeState.ALIVE] in (
        late_or_hung,
        late_or_hung[1:],
    )
    assert len(polling.boots[VICTIM]) <= answers + 1
    cluster4.nodes[VICTIM].resume()
    polling.until_victim(NodeState.ALIVE)
    assert polling.changes()[-2:] == [NodeState.HUNG, NodeState.ALIVE]
    assert set(polling.boots[VICTIM]) == boots_before
    assert_others_unaffected(polling)


def test_paused_then_killed(polling: Polling, cluster4: LocalCluster) -> None:
    cluster4.nodes[VICTIM].pause()
    polling.until(lambda states: states[VICTIM] in {NodeState.SUSPECT, NodeState.HUNG})
    cluster4.nodes[VICTIM].kill()
    polling.until_victim(NodeState.DOWN)
    assert_others_unaffected(polling)


def test_paused_before_the_portal_came(cluster4: LocalCluster) -> None:
    """Without an old connection there is not even a ZeroMQ handshake."""
    cluster4.nodes[VICTIM].pause()
    with WireClient() as client:
        polling = Polling(client, cluster4)
        polling.until_victim(NodeState.HUNG)
        assert polling.changes()[0] is NodeState.UNKNOWN
        assert not {NodeState.ALIVE, NodeState.DOWN} & set(polling.victim_states)
        cluster4.nodes[VICTIM].resume()
        polling.until_victim(NodeState.ALIVE)
        assert_others_unaffected(polling)
