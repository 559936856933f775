"""What is done to nodes, to the clock, and by a second portal. Adds to `faults.FAULTS`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import psutil

from apps.runtime.simulated import Placement, SimOptions, SimulatedCluster
from apps.runtime.types import WireGeneration
from chaos.faults import NOTICED_S, Place, boots_of, fault
from chaos.observer import Look
from chaos.processes import wait_for
from chaos.site import Site
from demo import ports, processes
from demo.local_cluster import LocalNode


@contextlib.contextmanager
def _silent(place: Place, *nodes: LocalNode) -> Iterator[None]:
    """These nodes do not answer from now on, and answer again at the end."""
    dead = place.site.truth.dead_since
    for node in nodes:
        dead[node.node_id] = time.monotonic()
    try:
        yield
    finally:
        for node in nodes:
            dead.pop(node.node_id, None)


def _state(node: LocalNode, *wanted: str) -> Callable[[Look], bool]:
    def met(look: Look) -> bool:
        shown = look.nodes.get(node.node_id)
        return shown is not None and shown["state"] in wanted

    return met


def _kill(node: LocalNode) -> None:
    """Also what a job has started in its place."""
    node.kill()
    for stray in processes.processes_with_env("CLIO_SERVER_CONF", node.directory):
        with contextlib.suppress(psutil.NoSuchProcess):
            stray.kill()


@fault("node-killed", "a node: kill -9, started again after 15 s")
def node_killed(place: Place) -> str:
    node = place.cluster.nodes[2]
    with _silent(place, node):
        node.kill()
        took = place.site.observer.until(
            _state(node, "down"), within_s=NOTICED_S, what="node 2 is down"
        )
        time.sleep(15 - min(took, 15))
    node.start()
    return f"after {took:.1f} s “down”, with the reason; the other nodes as before"


@fault("node-paused", "a node: SIGSTOP for 30 s")
def node_paused(place: Place) -> str:
    node = place.cluster.nodes[2]
    with _silent(place, node):
        node.pause()
        took = place.site.observer.until(
            _state(node, "suspect", "hung"), within_s=NOTICED_S, what="node 2 is suspect or hung"
        )
        hung = place.site.observer.until(_state(node, "hung"), within_s=30, what="node 2 is hung")
        node.resume()
    return f"after {took:.1f} s “suspect”, after {took + hung:.1f} s “hung”"


@fault("node-restarted", "a node restarted by a job")
def node_restarted(place: Place) -> str:
    site, reason = place.site, f"chaos: restart {time.time_ns()}"
    before = boots_of(site, 3)
    site.launch(3, "restart", reason=reason)
    status = site.job_ends(reason)
    # The job asks the node itself, and may know of its new life before the collector does.
    wait_for(
        lambda: boots_of(site, 3) - before, within_s=NOTICED_S, what="node 3's new life is seen"
    )
    site.right()
    began_anew = len(boots_of(site, 3) - before)
    if status != "succeeded" or began_anew != 1:
        raise AssertionError(f"the job ended as {status}, and node 3 began {began_anew} times")
    return "the job's output live, then “succeeded”; counters begin anew without a false rate"


@fault("node-replaced", "a node replaced by another generation (a simulated 2.2), and back")
def node_replaced(place: Place) -> str:
    site, node = place.site, place.cluster.nodes[2]
    # Its id is its place in the list, so two more stand before it, on ports of their own.
    step = next(step for step in range(100, 1000, 10) if _are_free(node.port, step))
    options = SimOptions(
        nodes=3,
        port=node.port - 2 * step,
        port_step=step,
        placement=Placement.PORTS,
        generation=WireGeneration.V2_2,
        uptime_s=5,
    )
    node.stop()
    try:
        with SimulatedCluster(options):
            took = wait_for(
                lambda: site.read(
                    "SELECT 1 FROM nodes_node WHERE node_id = 2 AND "
                    "wire_generation = '2.2' AND state = 'alive'"
                ),
                within_s=60,
                what="node 2 speaks generation 2.2",
            )
            time.sleep(10)  # its figures are looked at, too
    finally:
        node.start()
    wait_for(
        lambda: site.read(
            "SELECT 1 FROM nodes_node WHERE node_id = 2 AND "
            "wire_generation = '2.3' AND state = 'alive'"
        ),
        within_s=60,
        what="node 2 speaks generation 2.3 again",
    )
    return f"“down”, then alive as generation 2.2 after {took:.0f} s, marked as simulated; and back"


def _are_free(port: int, step: int) -> bool:
    wanted = [port - back * step + offset for back in (1, 2) for offset in ports.OFFSETS]
    return all(map(ports.loopback_port_is_free, wanted))


@fault("nodes-gone", "all nodes: kill -9, started again after 15 s")
def nodes_gone(place: Place) -> str:
    nodes = place.cluster.nodes
    with _silent(place, *nodes):
        for node in nodes:
            _kill(node)
        took = place.site.observer.until(
            lambda look: look.answer.status == 503 and not look.is_right,
            within_s=NOTICED_S,
            what="the cluster is disconnected",
        )
        time.sleep(10)
    place.cluster.launch()
    place.cluster.wait_ready(time.monotonic() + 120)
    return f"after {took:.1f} s “disconnected” with the reason, 503 on the live routes"


def _clock_set(place: Place, offset_s: int) -> str:
    """And set right again: a step in the other direction."""
    there = _step(place, offset_s)
    back = _step(place, 0)
    return f"{there}; set right again, {back}"


def _step(place: Place, offset_s: int) -> str:
    site, node = place.site, place.cluster.nodes[2]
    site.clock_set(offset_s)
    time.sleep(3)
    took = site.observer.until(
        lambda look: look.is_right, within_s=NOTICED_S, what="nodes are judged by the new clock"
    )
    # A clock that went back must not make a dead node pass for alive until it has caught up.
    with _silent(place, node):
        node.kill()
        down = site.observer.until(_state(node, "down"), within_s=NOTICED_S, what="node 2 is down")
    node.start()
    site.right()
    return (
        f"all is well after {3 + took:.0f} s, and a node killed then is “down” after {down:.1f} s"
    )


@fault("clock-ahead", "the portal's clock set ahead by an hour")
def clock_ahead(place: Place) -> str:
    return _clock_set(place, 3600)


@fault("clock-back", "the portal's clock set back by an hour")
def clock_back(place: Place) -> str:
    return _clock_set(place, -3600)


@fault("two-portals", "a second portal on the same nodes for 30 s")
def two_portals(place: Place) -> str:
    site = place.site
    directory = site.directory / f"second-{time.time_ns()}"
    assert place.cluster.hostfile is not None
    with Site(
        directory, hostfile=place.cluster.hostfile, targets=site.targets, collectors=1
    ) as second:
        time.sleep(30)
        second.samples_whole()
        if second.observer.wrong or not (
            second.observer.latest and second.observer.latest.is_right
        ):
            raise AssertionError(f"the second portal showed {second.observer.wrong}")
    return "nothing: both show the same, each with its own connections and its own samples"
