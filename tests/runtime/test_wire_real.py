"""The wire client against released runtimes: 2.3.2, 2.2.1 and 2.0.0."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.runtime.client import ClientOptions
from apps.runtime.errors import (
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimedOut,
    RuntimeUnreachable,
    WrongGeneration,
)
from apps.runtime.queries import workers_read
from apps.runtime.types import Reachability, Route, Target, WireGeneration
from apps.runtime.wire.client import WireClient
from apps.runtime.wire.detection import DetectionTimes
from demo.local_cluster import LocalCluster, LocalNode
from tests.runtime.wire_peers import until

pytestmark = pytest.mark.runtime

V2_0, V2_2, V2_3 = WireGeneration.V2_0, WireGeneration.V2_2, WireGeneration.V2_3
DETECTION_S = 30.0
SHORT_PAUSE = DetectionTimes(pause_s=0.5)
"""Only the rest between two silent probes is shorter than in use."""


def target_of(node: LocalNode) -> Target:
    return Target(node.node_id, node.host, node.port)


@pytest.fixture
def client() -> Iterator[WireClient]:
    with WireClient() as opened:
        yield opened


def answers_after_a_while(client: WireClient, target: Target) -> bool:
    try:
        client.host_info(target, deadline_s=DETECTION_S)
    except RuntimeUnreachable:
        return False
    return True


def check_of_a_life(node: LocalNode, client: WireClient, generation: WireGeneration) -> None:
    """Found, asked, paused, killed and restarted: what holds for every generation."""
    target = target_of(node)
    assert client.host_info(target, deadline_s=DETECTION_S).node_id == 0
    known = client.connection(target)
    assert (known.generation, known.server_pid, known.connected) == (generation, node.pid, True)
    futures = [client.monitor_submit(target, "worker_stats") for _ in range(100)]
    assert {future.result().boot for future in futures} == {known.boot}
    assert workers_read(client, target)
    assert client.monitor(target, "no_such_query").parts == {}
    with pytest.raises(RuntimeRefused, match="malformed pool_stats"):
        client.monitor(target, "pool_stats://bad")
    with pytest.raises(RuntimeRefused, match="no such pool"):
        client.monitor(target, "pool_stats://999.0:local:stats")

    node.pause()
    late = [client.monitor_submit(target, "worker_stats", deadline_s=0.3) for _ in range(5)]
    for future in late:
        with pytest.raises(RuntimeTimedOut):
            future.result()
    node.resume()
    until(lambda: client.strays == len(late))
    assert client.monitor(target, "worker_stats").boot == known.boot
    pairs = 0 if generation is V2_0 else 1
    assert client.connection(target).dialback_pairs_spent == pairs

    node.kill()
    with pytest.raises(RuntimeUnreachable):
        client.monitor(target, "worker_stats")
    node.start()
    until(lambda: answers_after_a_while(client, target))
    again = client.connection(target)
    assert again.boot not in (None, known.boot)
    assert (again.generation, again.server_pid) == (generation, node.pid)
    assert again.dialback_pairs_spent == pairs
    assert client.monitor(target, "worker_stats").boot == again.boot


def check_of_stop(node: LocalNode, client: WireClient) -> None:
    target = target_of(node)
    client.stop(target, grace_ms=1000, deadline_s=5)
    until(lambda: node.returncode == 0)
    assert client.reachability(target) is Reachability.REFUSED
    with pytest.raises(RuntimeUnreachable):
        client.stop(target, grace_ms=1000, deadline_s=1)
    node.start()  # and no stop was kept for it
    until(lambda: answers_after_a_while(client, target))
    assert node.returncode is None


def test_2_3_2(node_2_3_2: LocalNode, client: WireClient) -> None:
    check_of_a_life(node_2_3_2, client, V2_3)
    check_of_stop(node_2_3_2, client)


def test_2_2_1(node_2_2_1: LocalNode, client: WireClient) -> None:
    check_of_a_life(node_2_2_1, client, V2_2)
    check_of_stop(node_2_2_1, client)


def test_2_0_0_by_the_configured_generation(node_2_0_0: LocalNode) -> None:
    with WireClient(ClientOptions(generation=V2_0), detection_times=SHORT_PAUSE) as client:
        check_of_a_life(node_2_0_0, client, V2_0)
        with pytest.raises(WrongGeneration):
            client.stop(target_of(node_2_0_0), grace_ms=0, deadline_s=5)
        assert node_2_0_0.returncode is None


def test_2_0_0_is_left_alone_until_the_probe_is_allowed(node_2_0_0: LocalNode) -> None:
    target = target_of(node_2_0_0)
    with WireClient(detection_times=SHORT_PAUSE) as client, pytest.raises(WrongGeneration):
        client.host_info(target, deadline_s=DETECTION_S)
    allowed = ClientOptions(allow_legacy_probe=True)
    with WireClient(allowed, detection_times=SHORT_PAUSE) as client:
        assert client.host_info(target, deadline_s=DETECTION_S).node_id == 0
        assert client.connection(target).generation is V2_0


def test_a_paused_runtime_makes_no_handshake_and_works_when_resumed(
    node_2_3_2: LocalNode,
) -> None:
    target = target_of(node_2_3_2)
    node_2_3_2.pause()
    with WireClient(ClientOptions(handshake_s=0.5)) as client:
        with pytest.raises(RuntimeUnreachable, match="no ZeroMQ handshake"):
            client.monitor(target, "worker_stats")
        assert client.reachability(target) is Reachability.ACCEPTS
        node_2_3_2.resume()
        until(lambda: answers_after_a_while(client, target))


def test_a_thousand_connects_and_disconnects_leave_it_answering(node_2_3_2: LocalNode) -> None:
    target = target_of(node_2_3_2)
    failures: list[RuntimeFailure] = []
    for _ in range(1_000):
        with WireClient() as client:
            try:
                client.host_info(target, deadline_s=DETECTION_S)
            except RuntimeFailure as failure:
                failures.append(failure)
    assert failures == []
    with WireClient() as client:
        assert client.host_info(target).node_id == 0
    assert node_2_3_2.returncode is None


def test_a_cluster_is_asked_node_by_node(cluster4: LocalCluster, client: WireClient) -> None:
    targets = [target_of(node) for node in cluster4.nodes]
    boots = {client.monitor(target, "worker_stats").boot for target in targets}
    assert len(boots) == 4
    answer = client.monitor(targets[0], "get_host_info", route=Route.broadcast())
    assert set(answer.parts) == {0, 1, 2, 3}
    cluster4.nodes[2].kill()
    with pytest.raises(RuntimeUnreachable, match="node 2"):
        client.monitor(targets[2], "worker_stats")
    for index in (0, 1, 3):
        assert set(client.monitor(targets[index], "worker_stats").parts) == {index}
