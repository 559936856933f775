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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15, help="after the first, which connects")
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


def _measure(*, rounds: int) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from apps.collector.engine import engine_close
    from apps.collector.models import PollRound
    from apps.collector.services import collect, config_watch
    from apps.common.time import utc_now
    from apps.nodes.models import FigureKind, LatestFigures, Node

    call_command("migrate", verbosity=0)
    config_watch(at=utc_now())
    process = psutil.Process()
    peak_mb = 0.0
    kinds = (
        FigureKind.SYSTEM,
        FigureKind.WORKERS,
        FigureKind.BLOCK_DEVICES,
        FigureKind.CONTAINERS,
    )
    every = {FigureKind.SYSTEM: 1, FigureKind.CONTAINERS: max(rounds, 1)}
    first_s: dict[str, float] = {}
    times: dict[str, list[float]] = {kind.value: [] for kind in kinds}
    cpu_s: dict[str, list[float]] = {kind.value: [] for kind in kinds}
    for number in range(rounds + 1):
        for kind in kinds:
            if number % every.get(kind, 3):
                continue
            cpu_before, began = process.cpu_times(), time.monotonic()
            done = collect(kind=kind, at=utc_now())
            took_s = time.monotonic() - began
            used = process.cpu_times()
            peak_mb = max(peak_mb, process.memory_info().rss / 2**20)
            print(
                f"{kind} {took_s:.2f} s, {process.memory_info().rss / 2**20:.0f} MB, {done}",
                file=sys.stderr,
            )
            if done is None:
                raise SystemExit(f"Round {number} of {kind} was skipped.")
            if number == 0:
                first_s[kind.value] = round(took_s, 3)
                continue
            times[kind.value].append(took_s)
            cpu_s[kind.value].append(used.user + used.system - cpu_before.user - cpu_before.system)
        time.sleep(max(0.0, 2.0 - took_s))
    fresh = LatestFigures.objects.filter(kind=FigureKind.SYSTEM).exclude(figures=None).count()
    result = {
        "database": connection.vendor,
        "nodes": Node.objects.present().count(),
        "nodes_alive": Node.objects.filter(state="alive").count(),
        "nodes_with_figures": fresh,
        "rounds_skipped": sum(row.skipped_total for row in PollRound.objects.all()),
        "first_round_s": first_s,
        "round_median_s": {kind: round(median(took), 3) for kind, took in times.items() if took},
        "round_max_s": round(max(times[FigureKind.SYSTEM]), 3),
        "cpu_per_round_s": {kind: round(median(used), 3) for kind, used in cpu_s.items() if used},
        "rss_peak_mb": round(peak_mb, 1),
    }
    engine_close()
    return result


if __name__ == "__main__":
    raise SystemExit(main())
