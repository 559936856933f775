"""The stack over many simulated nodes, with people looking: what a site of that size gets.

    python -m bench.scale                      (2 to 3 minutes)
    python -m bench.scale --memory 1800        (and half an hour of memory)

A PostgreSQL and a Redis of its own, real gunicorn, Celery workers and beat, simulated nodes
over real sockets, 100 signed-in viewers who poll the topology page as browsers do. Everything
runs on this machine, the simulation and the viewers too; their share of it is printed.
Exit code 1 when something that is asked for is not met.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, LiteralString

import psutil
import psycopg

from bench.table import Row, table
from chaos.processes import Child, end_in_order, wait_for
from chaos.services import Postgres, Redis
from chaos.stack import ROOT, Stack

MAX_ROUND_S = 2.0
MAX_P95_MS = 200.0
MAX_CORES = 1.5
MAX_RSS_MB = 300.0
MAX_GROWTH_PCT = 10.0
STORING = ("collector", "beat", "history", "PostgreSQL")
FILL_WITHIN_S = 300.0
FEED_WITHIN_S = 180.0
ROUND = re.compile(r"Round of (\w+): ([0-9.]+) s, (\d+) of (\d+) answered")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--collectors", type=int, default=1)
    parser.add_argument("--web", type=int, default=2, help="web processes")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of two measurements")
    parser.add_argument("--memory", type=float, default=0.0, help="seconds of watching the memory")
    parser.add_argument("--uptime", type=float, default=60.0, help="seconds of samples at first")
    given = parser.parse_args()
    end_in_order()
    with tempfile.TemporaryDirectory(prefix="clio-scale-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL's own user passes through
        with _running(directory, given) as bench:
            rows = bench.measure()
    print(table(rows))
    return int(any(row.met is False for row in rows))


@contextmanager
def _running(directory: Path, given: argparse.Namespace) -> Iterator[Bench]:
    postgres = Postgres(directory, log=directory / "postgres.log")
    broker = Redis(directory, log=directory / "redis.log")
    hostfile = directory / "hostfile"
    command = [sys.executable, "-m", "apps.runtime.simulated", "--nodes", str(given.nodes)]
    command += ["--port", "0", "--uptime", str(given.uptime), "--hostfile-out", str(hostfile)]
    stack = Stack(
        directory,
        database_url=postgres.url,
        redis_url=broker.url,
        hostfile=hostfile,
        collectors=given.collectors,
        web_processes=given.web,
    )
    nodes = Child("nodes", command, directory / "nodes.log", stack.env, ROOT)
    for collector in stack.collectors:
        collector.env = {**collector.env, "CLIO_PORTAL_LOG_LEVEL": "DEBUG"}
    try:
        postgres.start()
        postgres.create()
        broker.start()
        nodes.start()
        wait_for(hostfile.exists, within_s=60, what="the simulated nodes are there")
        stack.prepare()
        stack.start()
        yield Bench(directory, given, stack, postgres, broker, nodes)
    finally:
        stack.stop()
        for child in (nodes, broker.child, postgres.child):
            child.stop()


class Bench:
    def __init__(
        self,
        directory: Path,
        given: argparse.Namespace,
        stack: Stack,
        postgres: Postgres,
        broker: Redis,
        nodes: Child,
    ) -> None:
        self.directory, self.given, self.stack = directory, given, stack
        self.parts = {
            "collector": list(stack.collectors),
            "beat": list(stack.beats),
            "PostgreSQL": [postgres.child],
            "Redis": [broker.child],
            "history": [stack.history],
            "control worker": [stack.control],
            "web": [stack.web],
            "simulated nodes": [nodes],
        }
        self.database = postgres.url

    def measure(self) -> list[Row]:
        nodes = self.given.nodes
        filled_s = wait_for(
            lambda: self.count("system") == nodes,
            within_s=FILL_WITHIN_S,
            what="every node has figures",
            every_s=0.5,
        )
        _say(
            f"{nodes} nodes have figures after {filled_s:.0f} s; waiting for the first containers."
        )
        wait_for(
            lambda: self.count("containers") == nodes,
            within_s=FILL_WITHIN_S,
            what="every node has told of its containers",
            every_s=0.5,
        )
        alone = self.span(lambda: time.sleep(self.given.seconds))
        _say(f"Nobody looks: {json.dumps(alone)}")
        seen: dict[str, Any] = {}
        watched = self.span(lambda: seen.update(self.viewers()))
        _say(f"{self.given.viewers} viewers: {json.dumps(watched)}\n{json.dumps(seen)}")
        growth = self.memory() if self.given.memory else None
        missing, late, samples = self.samples()
        _say(f"{samples} samples are stored; {self.feed()}")
        return self.rows(filled_s, alone, watched, seen, missing, late, growth)

    def count(self, kind: str) -> int:
        """Nodes with figures of that kind."""
        rows = self.read(
            "SELECT count(*) FROM nodes_latestfigures WHERE figures IS NOT NULL AND kind = %s",
            kind,
        )
        return int(rows[0][0])

    def read(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as database:
            return database.execute(query, values or None).fetchall()

    def span(self, doing: Any) -> dict[str, Any]:
        """What each part used of a core meanwhile, and how long rounds took."""
        before = {part: sum(child.cpu_s() for child in of) for part, of in self.parts.items()}
        marks = [collector.log.stat().st_size for collector in self.stack.collectors]
        began = time.monotonic()
        machine = psutil.cpu_times()
        doing()
        took_s = time.monotonic() - began
        idle = psutil.cpu_times()
        rounds: dict[str, list[float]] = {}
        unanswered = 0
        for collector, mark in zip(self.stack.collectors, marks, strict=True):
            with collector.log.open() as log:
                log.seek(mark)
                for kind, took, answered, asked in ROUND.findall(log.read()):
                    rounds.setdefault(kind, []).append(float(took))
                    unanswered += (int(asked) - int(answered)) * (kind == "system")
        cores = {
            part: round((sum(child.cpu_s() for child in of) - before[part]) / took_s, 2)
            for part, of in self.parts.items()
        }
        return {
            "cores": cores,
            "machine_idle_cores": round((idle.idle - machine.idle) / took_s, 2),
            "rounds": {
                kind: {"count": len(of), "median_s": round(median(of), 2), "max_s": max(of)}
                for kind, of in rounds.items()
            },
            "late_answers": unanswered,
            "rss_mb": {
                part: round(sum(child.rss_mb() for child in of)) for part, of in self.parts.items()
            },
        }

    def viewers(self) -> dict[str, Any]:
        made = subprocess.run(
            [sys.executable, "-m", "bench.scale_sessions", str(self.given.viewers)],
            env=dict(self.stack.env),
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        cookies = self.directory / "cookies"
        cookies.write_text(made.stdout)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "bench.viewers", self.stack.url),
                *("--cookies", str(cookies), "--seconds", str(self.given.seconds)),
            ],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    def memory(self) -> float:
        """Percent that the collector's memory grew, from the first third's mean to the last's."""
        until = time.monotonic() + self.given.memory
        seen: list[float] = []
        while time.monotonic() < until:
            seen.append(self.stack.collectors[0].rss_mb())
            if len(seen) % 12 == 0:
                _say(f"collector: {seen[-1]:.0f} MB; {psutil.cpu_percent():.0f} % of the machine")
            time.sleep(5)
        third = max(len(seen) // 3, 1)
        first, last = sum(seen[:third]) / third, sum(seen[-third:]) / third
        _say(f"collector's memory: {first:.0f} MB, then {last:.0f} MB; at most {max(seen):.0f} MB")
        return 100 * (last - first) / first

    def samples(self) -> tuple[int, int, int]:
        """Samples that are missing between a node's first and last; nodes whose newest is old;
        samples there are.
        """
        missing, late, samples = self.read(
            "WITH per AS (SELECT node_id, boot, min(first_event_id) AS low, "
            "max(last_event_id) AS high, sum(jsonb_array_length(entries)) AS held, "
            "max(last_at) AS newest FROM nodes_samplechunk GROUP BY node_id, boot) "
            "SELECT coalesce(sum(high - low + 1 - held), 0), "
            "count(*) FILTER (WHERE newest < now() - interval '10 seconds'), "
            "coalesce(sum(held), 0) FROM per"
        )[0]
        return int(missing), int(late), int(samples)

    def feed(self) -> str:
        """How far the history is behind."""
        fed_at, took_s = self.read("SELECT fed_at, duration_s FROM collector_historyfeed")[0]
        return f"the history was fed at {fed_at}, which took {took_s:.1f} s of a core"

    def rows(
        self,
        filled_s: float,
        alone: dict[str, Any],
        watched: dict[str, Any],
        seen: dict[str, Any],
        missing: int,
        late: int,
        growth: float | None,
    ) -> list[Row]:
        rows = []
        for when, span in (("nobody looks", alone), ("viewers look", watched)):
            system = span["rounds"]["system"]
            cores = sum(span["cores"][part] for part in STORING)
            rows += [
                _row(f"live round, median, {when}: s", system["median_s"], MAX_ROUND_S),
                _row(f"live round, slowest, {when}: s", system["max_s"], MAX_ROUND_S),
                _row(f"collector, beat, history and PostgreSQL, {when}: cores", cores, MAX_CORES),
            ]
        viewers = self.given.viewers
        rows += [
            _row(f"{viewers} viewers: p95 ms", seen["p95_ms"], MAX_P95_MS),
            _row("viewers shown an older page after a newer one", seen["backwards"], 0),
            _row("answers other than 200 and 204", _others(seen["statuses"]), 0),
            _row("1 Hz samples that are missing", missing, 0),
            _row("nodes whose newest sample is older than 10 s", late, 0),
            _row("collector's memory: MB", watched["rss_mb"]["collector"], MAX_RSS_MB),
            Row("first fill: s", filled_s, FILL_WITHIN_S, filled_s / FILL_WITHIN_S),
        ]
        if growth is not None:
            rows.append(_row("collector's memory, growth: %", growth, MAX_GROWTH_PCT))
        return rows


def _others(statuses: dict[str, int]) -> int:
    return sum(count for status, count in statuses.items() if status not in ("200", "204"))


def _row(what: str, measured: float, limit: float) -> Row:
    ratio = measured / limit if limit else float(measured > 0)
    return Row(what, measured, limit, ratio, f"at most {limit:g}", measured <= limit)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
