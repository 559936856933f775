"""All benchmarks, and one table of ratios.

    python -m bench [--simulated] [--seconds S] [--idle-seconds S]

Exit code 1 when something that is asked for is not met.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from bench.collector_round import MAX_ROUND_S, MAX_RSS_MB
from bench.table import Row, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--simulated", action="store_true", help="no real runtimes")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--idle-seconds", type=float, default=60.0, help="of doing nothing")
    given = parser.parse_args()
    seconds = ["--seconds", str(given.seconds), "--idle-seconds", str(given.idle_seconds)]
    simulated = ["--simulated"] if given.simulated else []
    load = _run("bench.topology_load", "--all", "--json", *seconds, *simulated)
    rows = [Row(**row) for row in load]
    rows += _collector_rows(_run("bench.collector_round"))
    print(table(rows))
    return int(any(row.met is False for row in rows))


def _run(module: str, *arguments: str) -> Any:
    """What the benchmark printed; it exits with 1 when a limit is not met."""
    print(f"— {module}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if not done.stdout.strip():
        raise SystemExit(f"{module} failed, with exit code {done.returncode}.")
    return json.loads(done.stdout)


def _collector_rows(result: dict[str, Any]) -> list[Row]:
    round_s, peak_mb, nodes = result["round_max_s"], result["rss_peak_mb"], result["nodes"]
    return [
        Row(
            f"slowest round over {nodes} simulated nodes: s",
            round_s,
            MAX_ROUND_S,
            round_s / MAX_ROUND_S,
            "within 2 s",
            round_s <= MAX_ROUND_S,
        ),
        Row(
            "collector's memory: MB",
            peak_mb,
            MAX_RSS_MB,
            peak_mb / MAX_RSS_MB,
            "within 300 MB",
            peak_mb <= MAX_RSS_MB,
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
