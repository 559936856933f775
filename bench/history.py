"""How much room history takes, and how fast it is written and read, on both databases.

    make bench-history
    make bench-history NODES=1000 DAYS=30 RAW_HOURS=2
    python -m bench.history --database sqlite --nodes 200 --days 3

Loads a fresh SQLite file and a fresh PostgreSQL database from a seeded generator (the same
bytes in both), measures, and removes them. RAW_HOURS of samples go in minute by minute, as
the collector hands them in; the days before them as ready hours of aggregates, from PATTERNS
different nodes (packing 1,000 × 720 of them would measure the generator). Plain rows of some
nodes are stored and read beside it. In brackets after a time is the least CPU time of the portal
and its database together: what is left of it where other work fills the machine. Prints
Markdown and, with --json, one JSON object. Exit code 1 when an asked limit is exceeded.

Loading takes its time and may run beside other work; measuring may not. So it can be done in
steps, on databases that are kept in between (drop them with --parts drop):

    python -m bench.history --keep DIR --parts samples,ready,recent
    python -m bench.history --keep DIR --parts queries,memory,plain
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

POSTGRES_URL = os.environ.get(
    "CLIO_PORTAL_TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"
)

AT = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
PARTS = ("samples", "ready", "recent", "queries", "memory", "plain")
ROWS: tuple[tuple[str, str, float | None], ...] = (
    ("minute_bytes_per_value", "bytes a value, minute rows with aggregates", 1.3),
    ("minute_bytes_per_moving_value", "… counting only the 6 metrics that move", None),
    ("merged_bytes_per_value", "bytes a value, merged", 0.75),
    ("merged_bytes_per_moving_value", "… counting only the 6 metrics that move", None),
    ("minute_payload_per_value", "payload alone of a value, minute rows", None),
    ("merged_payload_per_value", "payload alone of a value, merged", None),
    ("plain_bytes_per_value", "bytes a value, plain rows", None),
    ("store_minute_cpu_s", "storing a minute of all nodes, CPU s of one core", 1.0),
    ("merge_hour_cpu_s", "merging an hour of all nodes, CPU s", None),
    ("node_day_ms", "one node, 24 h by minute, ms", 20),
    ("plain_node_day_ms", "the same from plain rows, ms", None),
    ("node_month_ms", "one node, all days by hour, ms", 30),
    ("heatmap_hour_ms", "heatmap, all nodes × the last hour, ms", 150),
    ("heatmap_merged_hour_ms", "heatmap, all nodes × a merged hour, ms", 150),
    ("heatmap_day_ms", "heatmap, all nodes × 24 h, ms", None),
    ("fleet_day_ms", "fleet curve, all nodes × 24 h by hour, ms", None),
    ("top_day_ms", "top ten of all nodes over 24 h, ms", None),
    ("raw_hour_ms", "one node, 1 h of samples by 10 s, ms", None),
    ("rss_begin_mb", "memory while storing, after four hours' worth, MB", None),
    ("rss_end_mb", "memory while storing, after a day's worth, MB", None),
    ("database_mb", "database after the load, MB", None),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--raw-hours", type=int, default=1, help="hours of samples, closed ones")
    parser.add_argument("--patterns", type=int, default=50, help="different nodes in ready hours")
    parser.add_argument("--plain-nodes", type=int, default=10, help="nodes of a day of plain rows")
    parser.add_argument("--day-nodes", type=int, default=50, help="nodes of the memory measurement")
    parser.add_argument("--database", choices=("both", "sqlite", "postgresql"), default="both")
    parser.add_argument("--days-at-once", type=int, default=0, help="load no more days in one run")
    parser.add_argument("--at", type=datetime.fromisoformat, default=AT, help="where the data end")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}; drop")
    parser.add_argument("--keep", type=Path, help="folder in which the databases stay")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        from bench.history_measure import measure

        print(json.dumps(measure(given)))
        return 0
    names = ("sqlite", "postgresql") if given.database == "both" else (given.database,)
    results = {name: _run(name, keep=given.keep, parts=given.parts) for name in names}
    if given.json:
        print(json.dumps(results, indent=2))
    else:
        print(_table(results))
    failed = [
        f"{name}: {label} is {result[key]:.3g}, asked {limit:g}"
        for name, result in results.items()
        for key, label, limit in ROWS
        if limit is not None
        and result.get(key.replace("_ms", "_cpu_ms"), result.get(key, 0)) > limit
    ]
    print("\n".join(failed), file=sys.stderr)
    return int(bool(failed))


def _run(name: str, *, keep: Path | None, parts: str) -> dict[str, Any]:
    """Measure in a process of its own, so that its memory is its own."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = keep.resolve() if keep else Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        kept = directory / f"{name}.json"
        before: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
        environment = os.environ | {
            "CLIO_PORTAL_DATA_DIR": str(directory),
            "DJANGO_SETTINGS_MODULE": "clio_portal.settings",
        }
        database = before.get("database", f"clio_bench_history_{os.getpid()}")
        if name == "postgresql":
            if not before:
                _postgres(f'CREATE DATABASE "{database}"')
            url = urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/{database}"))
            environment["CLIO_PORTAL_DATABASE_URL"] = url
        else:
            environment["CLIO_PORTAL_DATABASE_URL"] = f"sqlite:///{directory / 'bench.sqlite3'}"
        try:
            if parts == "drop":
                kept.unlink(missing_ok=True)
                return before
            kept.write_text(json.dumps(before | {"database": database}))
            done = subprocess.run(
                [sys.executable, "-m", "bench.history", *sys.argv[1:], "--measure", name],
                env=environment,
                stdout=subprocess.PIPE,
                check=True,
            )
            result: dict[str, Any] = before | json.loads(done.stdout) | {"database": database}
            kept.write_text(json.dumps(result))
        finally:
            if name == "postgresql" and (keep is None or parts == "drop"):
                _postgres(f'DROP DATABASE IF EXISTS "{database}"')
    return result


def _postgres(statement: str) -> None:
    import psycopg

    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(statement.encode())


def _table(results: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| measured | asked | " + " | ".join(results) + " |",
        "| --- | --- |" + " --- |" * len(results),
    ]
    for key, label, limit in ROWS:
        if not any(key in result for result in results.values()):
            continue
        figures = " | ".join(_figure(result, key) for result in results.values())
        lines.append(f"| {label} | {'' if limit is None else f'≤ {limit:g}'} | {figures} |")
    return "\n".join(lines)


def _figure(result: dict[str, Any], key: str) -> str:
    """Of a time, the CPU time in brackets."""
    if key not in result:
        return "—"
    cpu = result.get(key.replace("_ms", "_cpu_ms")) if key.endswith("_ms") else None
    return f"{result[key]:.3g}" + (f" ({cpu:.3g})" if cpu is not None else "")


if __name__ == "__main__":
    raise SystemExit(main())
