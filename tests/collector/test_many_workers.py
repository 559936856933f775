"""Real Celery workers share the nodes: one joins, one leaves, one is killed, and so is beat.

With a Redis of its own, a database of its own on the tests' PostgreSQL, and simulated nodes
in another process, which count what they are asked.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chaos.processes import Child, wait_for
from chaos.services import Redis, ServiceMissing
from chaos.stack import Stack
from tests.services import database_made

NODES = 24
INTERVAL_S = 2.0
WITHIN_S = 90.0

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.timeout(600)]


@dataclass
class Collectors:
    """The collecting part of a stack: no web server, no control jobs."""

    stack: Stack
    control: Path
    began: float

    def read(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.stack.env["CLIO_PORTAL_DATABASE_URL"]) as database:
            return database.execute(query).fetchall()

    def shares(self) -> dict[int, int]:
        """Process id → how many shards it has."""
        rows = self.read(
            "SELECT m.pid, count(s.id) FROM collector_collectormember m "
            "LEFT JOIN collector_collectorshard s ON s.member_id = m.id GROUP BY m.pid"
        )
        return {int(pid): int(count) for pid, count in rows}

    def share_evenly(self, *workers: Child) -> bool:
        shares = self.shares()
        return set(shares) == {worker.pid for worker in workers} and set(shares.values()) == {
            60 // len(workers)
        }

    def alive(self) -> int:
        return int(self.read("SELECT count(*) FROM nodes_node WHERE state = 'alive'")[0][0])

    def polled_at(self) -> Any:
        return self.read("SELECT polled_at FROM cluster_cluster")[0][0]

    def asked(self) -> list[int]:
        """How often each node was asked for its system figures."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.control))
            line.sendall(b'{"do": "status"}\n')
            told = json.loads(line.makefile().readline())
        return [node["calls"].get("system_stats", 0) for node in told["nodes"]]


@pytest.fixture
def hostfile(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "hostfile"
    command = [sys.executable, "-m", "apps.runtime.simulated", "--nodes", str(NODES)]
    command += ["--port", "0", "--hostfile-out", str(path)]
    command += ["--control", str(tmp_path / "control.sock")]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(path.exists, within_s=WITHIN_S, what="the simulated nodes are there")
        yield path
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def database() -> Iterator[str]:
    with database_made("workers") as url:
        yield url


@pytest.fixture
def collectors(tmp_path: Path, hostfile: Path, database: str) -> Iterator[Collectors]:
    try:
        broker = Redis(tmp_path, log=tmp_path / "redis.log")
    except ServiceMissing as missing:
        pytest.skip(str(missing))
    broker.start()
    stack = Stack(
        tmp_path,
        database_url=database,
        redis_url=broker.url,
        hostfile=hostfile,
        collectors=3,
        beats=2,
    )
    try:
        stack.manage("migrate", "--verbosity", "0")
        yield Collectors(stack, tmp_path / "control.sock", time.monotonic())
    finally:
        stack.stop()
        broker.child.stop()


def test_workers_join_leave_and_die_without_a_gap(collectors: Collectors) -> None:
    one, two, three = collectors.stack.collectors
    beats = collectors.stack.beats
    for child in (*beats, one, two):
        child.start()
    began = time.monotonic()

    def until(met: Any, what: str) -> None:
        wait_for(met, within_s=WITHIN_S, what=f"{what}; now {collectors.shares()}")

    until(lambda: collectors.alive() == NODES, "all nodes are alive")
    until(lambda: collectors.share_evenly(one, two), "two share the nodes")

    three.start()
    until(lambda: collectors.share_evenly(one, two, three), "three share the nodes")
    two.stop(signal.SIGTERM)
    until(lambda: collectors.share_evenly(one, three), "the two that stayed share the nodes")
    three.kill()
    until(lambda: collectors.share_evenly(one), "the one that is left has all nodes")

    before = collectors.polled_at()
    leader = beats[0] if "beat leads now" in beats[0].log.read_text() else beats[1]
    leader.kill()
    until(lambda: collectors.polled_at() > before, "the other beat goes on")
    asked, took_s = collectors.asked(), time.monotonic() - began
    assert collectors.alive() == NODES

    # Each round once, whoever ran it: one more for each time that the nodes changed hands,
    # and for the answers that came too late for a round on a busy machine.
    assert max(asked) <= took_s / INTERVAL_S + 8
    # No sample is missing and none is there twice.
    rows = collectors.read(
        "SELECT node_id, boot, first_event_id, last_event_id, jsonb_array_length(entries) "
        "FROM nodes_samplechunk ORDER BY node_id, boot, first_event_id"
    )
    assert len({row[0] for row in rows}) == NODES
    expected = 0
    node = None
    for row in rows:
        if row[0] != node:
            node, expected = row[0], 0
        assert row[2] == expected, f"node {node}: {row}"
        assert row[4] == row[3] - row[2] + 1
        expected = row[3] + 1
    # Whom nobody looked after for a while was still believed to be alive.
    changes = collectors.read("SELECT DISTINCT from_state, to_state FROM nodes_statechange")
    assert set(changes) == {("unknown", "alive")}
