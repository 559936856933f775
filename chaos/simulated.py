"""Faults that no real node shows on demand, on simulated nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from apps.runtime.simulated import Fault as SimFault
from apps.runtime.simulated import SimulatedCluster
from chaos.observer import SEEN_WITHIN_S, node_is_well
from chaos.site import Site

NODES = 100
SILENT = 30
GIB = 2**30
SETTLED_S = 40.0
MAX_COLLECTOR_MB = 400.0


@dataclass(frozen=True, slots=True)
class SimPlace:
    site: Site
    sim: SimulatedCluster


SIMULATED: dict[str, tuple[str, Callable[[SimPlace], str]]] = {}


def _fault(name: str, title: str) -> Callable[..., Callable[[SimPlace], str]]:
    def add(of: Callable[[SimPlace], str]) -> Callable[[SimPlace], str]:
        SIMULATED[name] = (title, of)
        return of

    return add


@_fault("silent", f"{SILENT} of {NODES} simulated nodes fall silent")
def silent(place: SimPlace) -> str:
    site, ids = place.site, range(SILENT)
    # Their first answers were long, and slow all together: slow nodes are given patience.
    time.sleep(SETTLED_S)
    for number in ids:
        place.sim.node(number).fault(SimFault.SILENT)
        site.truth.dead_since[number] = time.monotonic()
    try:
        took = site.observer.until(
            lambda look: (
                bool(look.nodes)
                and not any(node_is_well(look.nodes[number]) for number in ids)
                and all(node_is_well(look.nodes[number]) for number in range(SILENT, NODES))
            ),
            within_s=SEEN_WITHIN_S + 1,
            what="the silent nodes, and only they, are not well",
        )
        until = time.monotonic() + 15
        while time.monotonic() < until:
            look = site.observer.latest
            if look is not None and not all(
                node_is_well(look.nodes[number]) for number in range(SILENT, NODES)
            ):
                raise AssertionError("the other nodes suffer")
            time.sleep(0.3)
    finally:
        site.truth.dead_since.clear()
        for number in ids:
            place.sim.node(number).clear()
    return f"after {took:.1f} s those {SILENT} “suspect”, then “hung”; the others stay fresh"


@_fault("huge", "a node announces a reply of 1 GB")
def huge(place: SimPlace) -> str:
    site = place.site
    place.sim.node(5).fault(SimFault.HUGE, size_bytes=GIB, query="worker_stats")
    most = 0.0
    try:
        until = time.monotonic() + 25
        while time.monotonic() < until:
            most = max(most, *(child.rss_mb() for child in site.stack.collectors))
            time.sleep(0.2)
        shown = site.stack.get("/api/node/5/workers")
        rows = site.read(
            "SELECT f.error_code, f.error_message FROM nodes_latestfigures f JOIN nodes_node n "
            "ON n.id = f.node_id WHERE n.node_id = 5 AND f.kind = 'workers'"
        )
    finally:
        place.sim.node(5).clear()
    if most > MAX_COLLECTOR_MB:
        raise AssertionError(f"a collector took {most:.0f} MB")
    code = rows[0][0] if rows else ""
    return (
        f"node 5's workers: “{code}” (HTTP {shown.status}); every other figure as before; "
        f"no collector took more than {most:.0f} MB"
    )
