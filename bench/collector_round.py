"""How long a round over many nodes takes, and what it costs the collecting process.

    python -m bench.collector_round --nodes 1000 --rounds 15
    python -m bench.collector_round --database postgres://user:password@host/name

The nodes are simulated ones, in another process, spoken to over real sockets. The database
is a fresh SQLite file, unless another is named. Prints one JSON object. Exit code 1 when a
limit is exceeded: 2 s for a round of system figures, 300 MB for the collecting process. (A round
of containers is spread over some seconds on purpose: see `SLICE_NODES`.)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil

MAX_ROUND_S = 2.0
MAX_RSS_MB = 300.0
START_WITHIN_S = 60.0
CATCH_UP_WITHIN_S = 600.0
INTERVAL_S = 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15, help="after all nodes have figures")
    parser.add_argument("--uptime", type=float, default=60.0, help="seconds of samples at first")
    parser.add_argument("--port", type=int, default=28_413)
    parser.add_argument("--database", help="URL; its tables must be its own")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        _environment(Path(directory), given.database)
        hostfile, config = Path(directory) / "hostfile", Path(directory) / "clio.yaml"
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "apps.runtime.simulated"),
                *("--nodes", str(given.nodes), "--port", str(given.port)),
                *("--uptime", str(given.uptime), "--hostfile-out", str(hostfile)),
                *("--config-out", str(config)),
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_for(config, server)
            result = _measure(rounds=given.rounds)
        finally:
            server.terminate()
            server.wait()
    print(json.dumps(result, indent=2))
    return int(result["round_max_s"] > MAX_ROUND_S or result["rss_peak_mb"] > MAX_RSS_MB)


def _environment(directory: Path, database: str | None) -> None:
    os.environ["CLIO_PORTAL_DATA_DIR"] = str(directory)
    os.environ["CLIO_SERVER_CONF"] = str(directory / "clio.yaml")
    os.environ["CLIO_PORTAL_LOG_LEVEL"] = "WARNING"
    os.environ.pop("CONTAINER_HOSTFILE", None)
    os.environ["HOME"] = str(directory)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clio_portal.settings")
    if database:
        os.environ["CLIO_PORTAL_DATABASE_URL"] = database


def _wait_for(config: Path, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_WITHIN_S
    while not config.exists():
        if server.poll() is not None or time.monotonic() > until:
            raise SystemExit("The simulated cluster did not start; is its port taken?")
        time.sleep(0.1)


class _Meter:
    """Runs rounds in this process, and keeps what each took."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.times: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}
        self.peak_mb = 0.0

    def round(self, kind: str, *, counted: bool = True) -> float:
        """Seconds from the start of the round to the end of storing it."""
        from apps.collector.services import collect
        from apps.common.time import utc_now

        before, began = self.process.cpu_times(), time.monotonic()
        done = collect(kind=kind, at=utc_now())
        took_s = time.monotonic() - began
        after = self.process.cpu_times()
        if done is None:
            raise SystemExit(f"A round of {kind} was skipped.")
        rss_mb = self.process.memory_info().rss / 2**20
        self.peak_mb = max(self.peak_mb, rss_mb)
        print(f"{kind}: {took_s:.2f} s, {rss_mb:.0f} MB, {done.counts}", file=sys.stderr)
        if counted:
            used = after.user + after.system - before.user - before.system
            self.times.setdefault(kind, []).append(took_s)
            self.cpu.setdefault(kind, []).append(used)
        return took_s


def _measure(*, rounds: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from apps.collector.engine import engine_close
    from apps.collector.models import PollRound
    from apps.collector.services import config_watch
    from apps.common.time import utc_now
    from apps.nodes.models import FigureKind, LatestFigures, Node

    call_command("migrate", verbosity=0)
    config_watch(at=utc_now())
    meter = _Meter()
    nodes = Node.objects.present().count()
    figures = LatestFigures.objects.filter(kind=FigureKind.SYSTEM).exclude(figures=None)
    began = time.monotonic()
    # At first every node has a long answer ready, and they are taken a few at a time.
    while figures.count() < nodes and time.monotonic() - began < CATCH_UP_WITHIN_S:
        took_s = meter.round(FigureKind.SYSTEM, counted=False)
        time.sleep(max(0.0, INTERVAL_S - took_s))
    caught_up_s = time.monotonic() - began
    for number in range(rounds):
        took_s = meter.round(FigureKind.SYSTEM)
        if number % 3 == 0:
            took_s += meter.round(FigureKind.WORKERS) + meter.round(FigureKind.BLOCK_DEVICES)
        time.sleep(max(0.0, INTERVAL_S - took_s))
    meter.round(FigureKind.CONTAINERS)
    result = {
        "database": connection.vendor,
        "nodes": nodes,
        "nodes_alive": Node.objects.filter(state="alive").count(),
        "nodes_with_figures": figures.count(),
        "rounds_skipped": sum(row.skipped_total for row in PollRound.objects.all()),
        "caught_up_after_s": round(caught_up_s, 1),
        "round_median_s": {kind: round(median(took), 3) for kind, took in meter.times.items()},
        "round_max_s": round(max(meter.times[FigureKind.SYSTEM]), 3),
        "cpu_per_round_s": {kind: round(median(used), 3) for kind, used in meter.cpu.items()},
        "rss_peak_mb": round(meter.peak_mb, 1),
    }
    engine_close()
    return result


if __name__ == "__main__":
    raise SystemExit(main())
