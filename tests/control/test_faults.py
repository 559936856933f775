"""What dies, comes twice, is away or comes all at once: with real processes.

Celery workers, a broker (Redis) and a database (PostgreSQL) as an installation has them;
docs/control-faults.md lists each fault with its test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from apps.runtime.simulated import SimOptions, SimulatedCluster
from tests.control.parts import Parts, until
from tests.control.sshd import free_port
from tests.services import POSTGRES_URL, database_made

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.xdist_group("faults"),
    pytest.mark.timeout(900),
]
NODES = 12


@pytest.fixture(scope="module")
def sim() -> Iterator[SimulatedCluster]:
    with SimulatedCluster(SimOptions(nodes=NODES, port=0)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def _parts(sim: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with (
        database_made("control_faults") as url,
        Parts(tmp_path_factory.mktemp("parts"), database=url) as parts,
    ):
        parts.ask("setup", [(target.host, target.port) for target in sim.targets()])
        yield parts


@pytest.fixture
def parts(_parts: Parts) -> Iterator[Parts]:
    """With a clean record of what `clio_run` did, and no Celery worker."""
    for name in ("ran", "go"):
        (_parts.directory / name).unlink(missing_ok=True)
    _parts.tell("work")
    yield _parts
    for worker in _parts.workers:
        _parts.kill(worker)
    _parts.workers.clear()
    _parts.broker_empty()


# --- a Celery worker that is killed with -9


def test_killed_before_it_takes_the_job_another_one_runs_it(parts: Parts) -> None:
    """Queued: the message is in the broker, or died with the worker that had fetched it."""
    parts.tell("hang")
    worker = parts.worker_start()
    first, second = parts.ask("launch", 0, "status"), parts.ask("launch", 1, "status")
    until(lambda: len(parts.ran()) == 1, what="the first command")
    parts.kill(worker)
    assert parts.ask("job", second)["status"] == "queued"

    parts.tell("work")
    parts.worker_start()
    parts.ask("send_again", 40)  # beat, half a minute later
    assert parts.wait(second, "succeeded")["course"] == [
        "queued",
        "running",
        "succeeded",
    ]
    assert parts.ran() == ["status", "status"]
    parts.ask("reap", 60)
    parts.ask("reap", 80)
    assert parts.ask("job", first)["status"] == "lost"


def test_killed_while_the_command_runs_the_job_is_lost_and_not_run_again(parts: Parts) -> None:
    parts.tell("hang")
    worker = parts.worker_start()
    pk = parts.ask("launch", 2, "status")
    until(lambda: len(parts.ran()) == 1, what="the command")
    assert parts.ask("job", pk)["status"] == "running"
    holder = parts.ask("job", pk)["holder"]
    parts.kill(worker)

    parts.worker_start()  # it comes back, as a service manager would have it
    parts.ask("deliver", pk, 2)
    parts.ask("send_again", 100)
    assert parts.ask("reap", 20) == []
    parts.ask("reap", 40)
    assert parts.ask("reap", 60) == [pk]
    lost = parts.ask("job", pk)
    assert (lost["status"], lost["code"]) == ("lost", "worker_lost")
    assert holder in lost["outcome"]
    assert "not known" in lost["outcome"]
    assert lost["course"] == ["queued", "running", "lost"]
    assert parts.ran() == ["status"]
    assert parts.ask("events", pk) == ["job.launch", "job.lost"]


def test_killed_while_it_verifies_the_job_is_lost_and_not_run_again(parts: Parts) -> None:
    """`stop` said 0 and the node is still there: it is being watched."""
    worker = parts.worker_start()
    pk = parts.ask("launch", 3, "shutdown")
    parts.wait(pk, "verifying")
    parts.kill(worker)

    parts.worker_start()
    parts.ask("deliver", pk, 2)
    parts.ask("reap", 40)
    assert parts.ask("reap", 60) == [pk]
    lost = parts.ask("job", pk)
    assert lost["course"] == ["queued", "running", "verifying", "lost"]
    assert "being watched" in lost["outcome"]
    assert parts.ran() == ["stop"]


def test_killed_after_the_end_nothing_changes(parts: Parts) -> None:
    worker = parts.worker_start()
    pk = parts.ask("launch", 4, "status")
    before = parts.wait(pk, "succeeded")
    parts.kill(worker)
    parts.worker_start()
    parts.ask("deliver", pk, 2)
    other = parts.ask("launch", 5, "status")
    parts.wait(other, "succeeded")
    parts.ask("reap", 60)
    parts.ask("reap", 80)
    assert parts.ask("job", pk) == before
    assert parts.ran() == ["status", "status"]


# --- the message


def test_a_message_that_comes_five_times_to_two_workers_runs_it_once(parts: Parts) -> None:
    pk = parts.ask("launch", 6, "status")
    parts.ask("deliver", pk, 4)
    for _ in range(2):
        parts.worker_start()
    parts.wait(pk, "succeeded")
    other = parts.ask("launch", 7, "status")
    parts.wait(other, "succeeded")  # behind all of the repeats
    assert parts.ran() == ["status", "status"]
    assert parts.ask("job", pk)["course"] == ["queued", "running", "succeeded"]


def test_with_the_broker_down_a_launch_is_accepted_and_sent_later(parts: Parts) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    web = parts.web_start(CLIO_PORTAL_REDIS_URL=nowhere)
    pk = parts.ask("launch", 8, "status", web=web)
    accepted = parts.ask("job", pk)
    assert (accepted["status"], accepted["dispatched"]) == ("queued", False)
    assert parts.ask("send_again", web=web) == 0

    parts.worker_start()
    assert parts.ask("send_again") == 1
    parts.wait(pk, "succeeded")
    assert parts.ran() == ["status"]


# --- the database


def test_with_the_database_down_at_the_end_nothing_is_lost(parts: Parts) -> None:
    """It goes while the command runs, and is back after the command has ended."""
    parts.tell("slow")
    worker = parts.worker_start()
    pk = parts.ask("launch", 9, "status")
    until(lambda: len(parts.ran()) == 1, what="the command")
    log = parts.directory / f"worker{parts.workers.index(worker)}.log"
    database = urlsplit(parts.database).path.removeprefix("/")
    name = sql.Identifier(database)
    with psycopg.connect(POSTGRES_URL, autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        try:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [database],
            )
            parts.go()
            until(lambda: "can't be stored yet" in log.read_text(), what="a result that waits")
        finally:
            admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
    done = parts.wait(pk, "succeeded")
    assert (done["lines_total"], done["lines"], done["exit_code"]) == (100, 100, 0)
    assert parts.ask("events", pk) == ["job.launch", "job.succeeded"]
    assert parts.ran() == ["status"]


def test_twelve_thousand_lines_are_stored_complete(parts: Parts) -> None:
    parts.tell("lines")
    parts.worker_start()
    pk = parts.ask("launch", 10, "status")
    done = parts.wait(pk, "succeeded")
    assert (done["lines_total"], done["lines"]) == (12_000, 12_000)


# --- many at once


def outcomes(pressed: list[Any]) -> tuple[list[int], list[str]]:
    launched = [found for found in pressed if isinstance(found, int)]
    return launched, [found for found in pressed if isinstance(found, str)]


def test_of_ten_who_press_at_once_one_launches_and_the_others_are_told_whose(
    parts: Parts,
) -> None:
    launched, refused = outcomes(parts.ask("press_at_once", 11, 10))
    assert len(launched) == 1
    assert refused == [f"busy with {launched[0]}"] * 9
    parts.worker_start()
    parts.wait(launched[0], "succeeded")
    assert parts.ran() == ["status"]
    assert parts.ask("trail_is_whole")


def test_the_same_on_sqlite(tmp_path: Path, sim: SimulatedCluster) -> None:
    with Parts(tmp_path / "parts") as parts:
        parts.ask("setup", [(target.host, target.port) for target in sim.targets()])
        launched, refused = outcomes(parts.ask("press_at_once", 1, 10))
        assert len(launched) == 1
        assert refused == [f"busy with {launched[0]}"] * 9
        assert parts.ask("trail_is_whole")


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_five_hundred_jobs_at_once_all_come_to_an_end(tmp_path: Path, database: str) -> None:
    """Nobody listens on the nodes' ports, so that each job looks and ends: there is nothing
    to stop. How long acceptance takes is measured by ``python -m bench.control``."""
    jobs = 500
    nodes = [("127.0.0.1", port) for port in range(20_001, 20_001 + jobs)]
    if database == "postgresql":
        with (
            database_made("control_burst") as url,
            Parts(tmp_path / "parts", database=url) as parts,
        ):
            _burst(parts, nodes)
    else:
        with Parts(tmp_path / "parts") as parts:
            _burst(parts, nodes)


def _burst(parts: Parts, nodes: list[tuple[str, int]]) -> None:
    parts.ask("setup", nodes)
    accepted = parts.ask("burst", "shutdown")
    assert accepted["jobs"] == len(nodes)
    for _ in range(2):
        parts.worker_start(concurrency=8)
    until(lambda: set(parts.ask("statuses")) <= {"failed", "succeeded"}, what="500 ends")
    assert sum(parts.ask("statuses").values()) == len(nodes)
    assert parts.ask("trail_is_whole")
