"""How fast a burst of control jobs is accepted, and how long until the last one is over.

    python -m bench.control [--jobs 500] [--database sqlite|postgresql]

Real processes: two that launch as web requests do, Celery workers, Redis and the database. The
nodes refuse connections, so that a job looks, finds nothing to stop, and ends: the portal's own
work is what is measured. Asked for: 500 jobs accepted in under 5 s.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests.control.parts import Parts, until
from tests.services import database_made

ASKED_S = 5.0
WORKERS, THREADS = 2, 8
WEBS = 2
BEGINS_AFTER_S = 3.0
"""By then both have loaded what a web process loads before its first request."""
FIRST_PORT = 20_001


def burst(database: str, jobs: int, *, as_batch: bool) -> None:
    kept = database_made("bench_control") if database == "postgresql" else nullcontext("")
    with (
        tempfile.TemporaryDirectory() as directory,
        kept as url,
        Parts(Path(directory) / "parts", database=url) as parts,
    ):
        parts.ask("setup", [("127.0.0.1", FIRST_PORT + number) for number in range(jobs)])
        begun = time.monotonic()
        accepted = [parts.ask("burst_as_batch", "shutdown")] if as_batch else _singly(parts)
        taken_s = max(one["ended"] for one in accepted) - min(one["begun"] for one in accepted)
        for _ in range(WORKERS):
            parts.worker_start(concurrency=THREADS)
        until(lambda: set(parts.ask("statuses")) == {"failed"}, what="all ends")
        ended_s = time.monotonic() - begun
        what = "one batch" if as_batch else f"single launches, {WEBS} x 4 threads"
        sys.stdout.write(
            f"{database:10}  {what:30}  {sum(one['jobs'] for one in accepted)} jobs accepted in "
            f"{taken_s:.2f} s (asked: under {ASKED_S:g} s), all at their end after "
            f"{ended_s:.1f} s; the audit trail "
            f"{'is whole' if parts.ask('trail_is_whole') else 'IS BROKEN'}\n"
        )


def _singly(parts: Parts) -> list[dict[str, Any]]:
    """From as many processes as the stack has for the web, all at the same moment."""
    webs = [parts.web_start() for _ in range(WEBS)]
    for web in webs:
        parts.ask("statuses", web=web)  # it has started, and has connected
    begins_at = time.monotonic() + BEGINS_AFTER_S
    with ThreadPoolExecutor(WEBS) as pool:
        return list(
            pool.map(
                lambda part: parts.ask(
                    "burst", "shutdown", 4, part, WEBS, begins_at, web=webs[part]
                ),
                range(WEBS),
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    for database in [options.database] if options.database else ["sqlite", "postgresql"]:
        for as_batch in (False, True):
            burst(database, options.jobs, as_batch=as_batch)


if __name__ == "__main__":
    main()
