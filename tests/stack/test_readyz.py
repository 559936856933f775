"""/readyz of a real stack, of which one part after the other is missing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from apps.runtime.simulated import SimOptions, SimulatedCluster
from chaos.processes import Child, wait_for
from chaos.services import Postgres, Redis, ServiceMissing
from chaos.stack import Stack

PARTS = {"broker", "database", "migrations", "collector", "history", "beat", "control"}
WITHIN_S = 120.0

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.timeout(900),
    # It takes two minutes of waiting: among the groups it is begun early.
    pytest.mark.xdist_group("faults"),
]


class Ready:
    """A stack, and what its /readyz says."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def broken(self) -> set[str] | None:
        """The parts that are not well; ``None``: no answer of the right form."""
        answer = self.stack.get("/readyz")
        if not isinstance(answer.body, dict):
            return None
        parts = answer.body["parts"]
        found = {name for name, part in parts.items() if not part["ok"]} | (PARTS - set(parts))
        assert (answer.status == 200) == (not found)
        assert self.stack.get("/healthz").status == 200, "it says something else"
        return found

    def wait(self, *wanted: str) -> None:
        """Until exactly these parts are not well, or not looked at because of those."""
        said: list[set[str] | None] = []

        def met() -> bool:
            said[:] = [self.broken()]
            return said[0] == set(wanted)

        try:
            wait_for(met, within_s=WITHIN_S, what=f"{wanted} and nothing else", every_s=0.5)
        except TimeoutError as error:
            raise AssertionError(f"{error} {said}") from error


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that PostgreSQL's own user may pass through, as it may not through `tmp_path`."""
    with tempfile.TemporaryDirectory(prefix="clio-readyz-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def services(folder: Path) -> Iterator[tuple[Postgres, Redis]]:
    try:
        postgres = Postgres(folder, log=folder / "postgres.log")
        broker = Redis(folder, log=folder / "redis.log")
    except ServiceMissing as missing:
        pytest.skip(str(missing))
    try:
        postgres.start()
        postgres.create()
        broker.start()
        yield postgres, broker
    finally:
        broker.child.stop()
        postgres.stop()


@pytest.fixture
def ready(tmp_path: Path, services: tuple[Postgres, Redis]) -> Iterator[Ready]:
    postgres, broker = services
    with ExitStack() as parts:
        sim = parts.enter_context(SimulatedCluster(SimOptions(nodes=2, port=0)))
        hostfile = tmp_path / "hostfile"
        hostfile.write_text("".join(f"{target.address}\n" for target in sim.targets()))
        stack = Stack(
            tmp_path,
            database_url=postgres.url,
            redis_url=broker.url,
            hostfile=hostfile,
            collectors=1,
            web_processes=1,
        )
        parts.callback(stack.stop)
        stack.prepare()
        stack.start()
        yield Ready(stack)


def test_each_part_that_is_missing_is_named(ready: Ready, services: tuple[Postgres, Redis]) -> None:
    postgres, broker = services
    stack = ready.stack
    ready.wait()

    def without(*children: Child, says: set[str]) -> None:
        for child in children:
            child.stop()
        ready.wait(*says)
        for child in children:
            child.start()
        ready.wait()

    without(stack.control, stack.history, says={"control", "history"})
    without(stack.collectors[0], says={"collector"})
    # Without a database nothing is known of what is in it; without Redis nobody sends.
    without(postgres.child, says={"database", "migrations", "collector"})
    without(stack.beats[0], says={"beat", "collector"})
    broker.child.kill()
    ready.wait("broker", "beat", "control", "history", "collector")
    broker.start()
    ready.wait()
    stack.manage("migrate", "history", "zero", "--verbosity", "0")
    stack.web.stop()  # what was applied once stays so, for as long as a process lives
    stack.web.start()
    ready.wait("migrations", "collector")
