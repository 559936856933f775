"""What must never happen: a legacy frame on a guess, a wrong attribution, a leak at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from apps.runtime.client import ClientOptions
from apps.runtime.errors import ClientClosed, RuntimeTimedOut, WrongGeneration
from apps.runtime.simulated import SimOptions, SimulatedCluster
from apps.runtime.types import Target, WireGeneration
from apps.runtime.wire import pairs
from apps.runtime.wire.client import WireClient
from apps.runtime.wire.layout import LAYOUTS
from tests.runtime.wire_peers import QUICK, RecordingPeer, answers, until

V2_0, V2_2, V2_3 = WireGeneration.V2_0, WireGeneration.V2_2, WireGeneration.V2_3


def test_a_silent_peer_gets_two_harmless_frames_and_nothing_else() -> None:
    with RecordingPeer() as peer, WireClient(detection_times=QUICK) as client:
        for _ in range(3):
            with pytest.raises(WrongGeneration):
                client.monitor(peer.target, "worker_stats")
        assert peer.generations == [V2_3, V2_3]
        assert {len(body) for body in peer.bodies} == {LAYOUTS[V2_3].fixed_bytes}


def test_a_peer_that_dials_back_gets_a_2_2_frame_but_never_a_2_0_one() -> None:
    with (
        RecordingPeer(dials_back=True) as peer,
        WireClient(ClientOptions(allow_legacy_probe=True), detection_times=QUICK) as client,
    ):
        with pytest.raises(RuntimeTimedOut, match="dialled back"):
            client.monitor(peer.target, "worker_stats")
        assert peer.generations == [V2_3, V2_2]


def test_a_legacy_frame_needs_the_operators_word() -> None:
    with (
        RecordingPeer() as peer,
        WireClient(ClientOptions(allow_legacy_probe=True), detection_times=QUICK) as client,
    ):
        with pytest.raises(RuntimeTimedOut):
            client.monitor(peer.target, "worker_stats")
        assert peer.generations == [V2_3, V2_3, V2_0]


def test_a_dial_back_counts_only_for_who_dialled() -> None:
    with (
        RecordingPeer(0) as silent,
        RecordingPeer(1, dials_back=True) as dialling,
        WireClient(detection_times=QUICK) as client,
    ):
        asked = [client.monitor_submit(peer.target, "q") for peer in (silent, dialling)]
        with pytest.raises(WrongGeneration):
            asked[0].result(10)
        with pytest.raises(RuntimeTimedOut):
            asked[1].result(10)
        assert silent.generations == [V2_3, V2_3]
        assert dialling.generations == [V2_3, V2_2]
        assert silent.identities.isdisjoint(dialling.identities)


def test_no_identity_is_used_twice() -> None:
    with SimulatedCluster(SimOptions(nodes=1, port=0)) as cluster, WireClient() as client:
        for _ in range(3):
            until(lambda: answers(client, cluster.target(0)))
            assert cluster.node(0).sim.seen.identity_conflicts == 0
            assert client.connection(cluster.target(0)).dialback_pairs_spent == 1
            cluster.node(0).restart()
            until(lambda: not client.connection(cluster.target(0)).connected)


def test_the_last_pairs_of_a_2_2_runtime_are_spared() -> None:
    budget = pairs.PairsBudget()
    for _ in range(pairs.SPEND_FREELY):
        assert budget.allows(V2_2)
        budget.spend()
    assert not budget.allows(V2_2)
    assert budget.allows(V2_3)  # it evicts old ones
    assert budget.allows(None)
    told = budget.exhausted(Target(4, "n4"))
    assert "node 4 (n4:9413): 950 of the 1,000" in told.message
    budget.process_renewed()
    assert budget.spent == 1
    assert budget.allows(V2_2)


def test_a_few_are_spent_slowly_so_that_a_restart_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    budget = pairs.PairsBudget()
    budget.spent = pairs.SPEND_FREELY
    later = time.monotonic() + pairs.SPARING_S
    monkeypatch.setattr("apps.runtime.wire.pairs.time.monotonic", lambda: later)
    assert budget.allows(V2_2)
    budget.spent = pairs.SPEND_AT_MOST
    assert not budget.allows(V2_2)


def test_the_warning_comes_once_for_each_process() -> None:
    budget = pairs.PairsBudget()
    budget.spend()
    assert not budget.warns(V2_2, 2)
    budget.spend()
    assert not budget.warns(V2_3, 2)
    assert [budget.warns(V2_2, 2), budget.warns(V2_2, 2)] == [True, False]


LEAK_SCRIPT = """
import os, sys, threading
from apps.runtime.types import Target
from apps.runtime.wire.client import WireClient

targets = [Target(i, *where) for i, where in enumerate(eval(sys.argv[1]))]

def used():
    return len(os.listdir("/proc/self/fd")), threading.active_count()

def use():
    with WireClient() as client:
        assert [client.host_info(target).node_id for target in targets] == list(range(20))
        within = used()
    client.close()
    return within

use()  # the first socket of a process opens what stays
before = used()
within = use()
print(before == used(), within[0] - before[0] >= 6 * 20, within[1] - before[1])
"""


def test_a_closed_client_leaves_nothing_open() -> None:
    with SimulatedCluster(SimOptions(nodes=20, port=0)) as cluster:
        where = [(target.host, target.port) for target in cluster.targets()]
        assert script_run(LEAK_SCRIPT, repr(where)) == (0, "True True 1\n", "")


def script_run(script: str, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def lives(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())


def test_what_is_pending_at_the_close_fails() -> None:
    with RecordingPeer() as peer:
        client = WireClient()
        pending = [client.monitor_submit(peer.target, "q", deadline_s=60) for _ in range(3)]
        until(lambda: len(peer.bodies) == 1)
        client.close()
        for future in pending:
            with pytest.raises(ClientClosed):
                future.result(0)


def test_a_callback_may_close_the_client() -> None:
    with SimulatedCluster(SimOptions(nodes=1, port=0)) as cluster:
        client = WireClient()
        future = client.monitor_submit(cluster.target(0), "worker_stats")
        future.add_done_callback(lambda _: client.close())
        assert future.result(10).parts
        until(lambda: not lives("wire-client"))


def test_a_client_that_nobody_holds_any_more_ends() -> None:
    client = WireClient()
    assert lives("wire-client")
    del client
    until(lambda: not lives("wire-client"))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_is_told_so_and_harms_nothing() -> None:
    with SimulatedCluster(SimOptions(nodes=1, port=0)) as cluster, WireClient() as client:
        client.host_info(cluster.target(0))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                client.monitor(cluster.target(0), "worker_stats")
            except ClientClosed:
                client.forget(cluster.target(0))
                client.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert client.host_info(cluster.target(0)).node_id == 0


def test_a_process_ends_cleanly_without_closing_it() -> None:
    script = (
        "from apps.runtime.types import Target\n"
        "from apps.runtime.wire.client import WireClient\n"
        "client = WireClient()\n"
        "pending = client.monitor_submit(Target(0, '127.0.0.1', 1), 'q')\n"
        "print(type(pending.exception(10)).__name__)\n"
    )
    assert script_run(script) == (0, "RuntimeUnreachable\n", "")
