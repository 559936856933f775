"""How `/api/topology` bears many readers, and what they cost the runtimes.

    python -m bench.topology_load --all
    python -m bench.topology_load --all --simulated
    python -m bench.topology_load --url http://127.0.0.1:5000 --token SECRET

`--all` starts four real runtimes (where their release can be had, else simulated ones) and
a portal, and stops them. With `--url` it starts nothing, and measures only the load.
Figures are set against those of the documented dashboard, with four nodes on two cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.clusters import NODES, BenchCluster, real_cluster, simulated_cluster
from bench.portal import Portal, portal_started
from bench.table import Row, as_json, table

DOCUMENTED_REQUESTS_PER_S = 49.0
DOCUMENTED_P50_MS = 822.0
DOCUMENTED_ALONE_P50_MS = 17.0
DOCUMENTED_PAUSED_ALONE_MS = 3000.0
WANTED_P99_MS = 100.0
WANTED_IDLE_CPU_PCT = 5.0
MANY = 32
PAUSED_NODE = 2
KINDS = 4
"""Of figures that are asked for in rounds of their own."""
SETTLE_S = 15.0
"""Until every kind of figures was collected once, and the start's work is over."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="start a cluster and a portal")
    parser.add_argument("--simulated", action="store_true", help="with --all: no real runtimes")
    parser.add_argument("--version", default="2.3.2", help="of the real runtimes")
    parser.add_argument("--url", help="of a portal that runs")
    parser.add_argument("--token", help="of somebody who may see live figures")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--idle-seconds", type=float, default=60.0, help="of doing nothing")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    if given.all:
        rows = _measure_all(given)
    elif given.url and given.token:
        rows, _ = _load_rows(given.url, given.token, seconds=given.seconds)
    else:
        parser.error("give --all, or --url with --token")
    print(as_json(rows) if given.json else table(rows))
    return int(any(row.met is False for row in rows))


def _measure_all(given: argparse.Namespace) -> list[Row]:
    with (
        tempfile.TemporaryDirectory(prefix="clio-bench-") as name,
        _cluster(Path(name), given) as cluster,
        portal_started(Path(name), cluster.hostfile) as portal,
    ):
        _say(f"Four {cluster.kind} nodes; waiting for the portal to have seen them all.")
        portal.wait_for_states(alive=NODES)
        time.sleep(SETTLE_S)
        idle, idle_calls_per_s = _idle_rows(portal, given.idle_seconds)
        loaded, healthy = _load_rows(portal.url, portal.token, seconds=given.seconds)
        cost = _cost_rows(portal, given.idle_seconds, idle_calls_per_s)
        paused = _paused_rows(cluster, portal, healthy, seconds=given.seconds)
    return [*loaded, *paused, *cost, *idle]


@contextmanager
def _cluster(directory: Path, given: argparse.Namespace) -> Iterator[BenchCluster]:
    from demo.runtimes import RuntimeInstallError, runtime_install

    simulated = given.simulated
    if not simulated:
        try:
            runtime_install(given.version)
        except RuntimeInstallError as error:
            _say(f"No real runtimes: {error}")
            simulated = True
    if simulated:
        with simulated_cluster(directory) as cluster:
            yield cluster
        return
    with real_cluster(directory, given.version) as cluster:
        yield cluster


def _load(url: str, token: str, *, clients: int, seconds: float) -> dict[str, Any]:
    """One run of the generator: a process, and a session, of its own, as clients elsewhere are.

    The runtimes have sessions of their own, too. Linux shares the cores out by session: in the
    bench's, the generator would take from the portal's share.
    """
    command = [sys.executable, "-m", "bench.load", f"{url}/api/topology", "--token", token]
    command += ["--clients", str(clients), "--seconds", str(seconds)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=False, start_new_session=True
    )
    if done.returncode:
        raise SystemExit(f"The load with {clients} clients failed: {done.stdout}")
    result: dict[str, Any] = json.loads(done.stdout)
    _say(f"{clients} clients: {done.stdout.strip()}")
    if result["statuses"].keys() != {"200"}:
        raise SystemExit(f"Not every answer was 200: {result['statuses']}")
    return result


def _load_rows(url: str, token: str, *, seconds: float) -> tuple[list[Row], dict[str, float]]:
    alone = _load(url, token, clients=1, seconds=seconds)
    many = _load(url, token, clients=MANY, seconds=seconds)
    throughput = many["requests_per_s"] / DOCUMENTED_REQUESTS_PER_S
    rows = [
        Row(
            "topology, 32 clients: requests/s",
            many["requests_per_s"],
            DOCUMENTED_REQUESTS_PER_S,
            throughput,
            "at least 10 times",
            throughput >= 10,
        ),
        Row(
            "topology, 32 clients: p50 ms",
            many["p50_ms"],
            DOCUMENTED_P50_MS,
            many["p50_ms"] / DOCUMENTED_P50_MS,
        ),
        Row(
            "topology, 32 clients: p99 ms",
            many["p99_ms"],
            WANTED_P99_MS,
            many["p99_ms"] / WANTED_P99_MS,
            "under 100 ms",
            many["p99_ms"] < WANTED_P99_MS,
        ),
        Row(
            "topology, alone: p50 ms",
            alone["p50_ms"],
            DOCUMENTED_ALONE_P50_MS,
            alone["p50_ms"] / DOCUMENTED_ALONE_P50_MS,
        ),
    ]
    return rows, {"alone": alone["p50_ms"], "many": many["requests_per_s"]}


def _paused_rows(
    cluster: BenchCluster, portal: Portal, healthy: dict[str, float], *, seconds: float
) -> list[Row]:
    cluster.pause(PAUSED_NODE)
    try:
        portal.wait_for_states(alive=NODES - 1)
        alone = _load(portal.url, portal.token, clients=1, seconds=seconds)
        many = _load(portal.url, portal.token, clients=MANY, seconds=seconds)
    finally:
        cluster.resume(PAUSED_NODE)
    share = many["requests_per_s"] / healthy["many"]
    return [
        Row(
            "one node paused, 32 clients: requests/s, beside all healthy",
            many["requests_per_s"],
            healthy["many"],
            share,
            "within 10 %",
            share >= 0.9,
        ),
        Row(
            "one node paused, alone: p50 ms",
            alone["p50_ms"],
            DOCUMENTED_PAUSED_ALONE_MS,
            alone["p50_ms"] / DOCUMENTED_PAUSED_ALONE_MS,
        ),
    ]


def _idle_rows(portal: Portal, seconds: float) -> tuple[list[Row], float]:
    _say(f"Nobody looks for {seconds:g} s.")
    cpu_before, calls_before, began = portal.cpu_s(), portal.calls_total(), time.monotonic()
    time.sleep(seconds)
    took_s = time.monotonic() - began
    cpu_pct = 100 * (portal.cpu_s() - cpu_before) / took_s
    row = Row(
        "idle portal beside 4 nodes: % of a core",
        cpu_pct,
        WANTED_IDLE_CPU_PCT,
        cpu_pct / WANTED_IDLE_CPU_PCT,
        "under 5 %",
        cpu_pct < WANTED_IDLE_CPU_PCT,
    )
    return [row], (portal.calls_total() - calls_before) / took_s


def _cost_rows(portal: Portal, seconds: float, idle_per_s: float) -> list[Row]:
    """Under load for as long as nobody looked before, so that both hold the same rounds."""
    cpu_before, calls_before, began = portal.cpu_s(), portal.calls_total(), time.monotonic()
    load = _load(portal.url, portal.token, clients=MANY, seconds=seconds - 1)
    took_s = time.monotonic() - began
    calls = portal.calls_total() - calls_before
    requests = load["requests_per_s"] * took_s
    cpu_ms = 1000 * (portal.cpu_s() - cpu_before) / requests
    budget_ms = 1000 / (10 * DOCUMENTED_REQUESTS_PER_S)
    return [
        Row(
            "calls to runtimes/s, 32 clients beside none",
            calls / took_s,
            idle_per_s,
            calls / took_s / idle_per_s,
            "equal (a round of each kind more or less)",
            abs(calls - idle_per_s * took_s) <= KINDS * NODES,
        ),
        Row(
            "portal's CPU time a request, collector included: ms",
            cpu_ms,
            budget_ms,
            cpu_ms / budget_ms,
            "what one core may spend at 10 times",
        ),
    ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
