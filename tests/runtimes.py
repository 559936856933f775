"""Fixtures of real runtimes, and what marks a test as one that starts some.

A test that asks for one of these fixtures gets the `runtime` marker and the xdist group of the
same name, so that one xdist worker runs all of them, one cluster at a time.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.local_cluster import LocalCluster, LocalNode
from demo.runtimes import NoWheelError, runtime_install

RUNTIME_FIXTURES = frozenset(
    {"clio_run_2_3_2", "cluster4", "node_2_3_2", "node_2_2_1", "node_2_0_0"}
)
NODES_IN_CLUSTER = 4
NICENESS = 10
"""Idle runtimes spin: the tests' own work goes first."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start runtimes, and keep them on one xdist worker."""
    for item in items:
        if RUNTIME_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.runtime)
        # One cluster and one browser at a time: a second one would only slow both down.
        for heavy in ("runtime", "browser"):
            if item.get_closest_marker(heavy):
                item.add_marker(pytest.mark.xdist_group(heavy))
                break


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """pytest-xdist marks the group in a test's id; some releases of pytest make it fail silently,
    and tests that must follow each other would run at once.
    """
    if not getattr(session.config.option, "loadgroup", False):
        return
    for item in session.items:
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
            raise pytest.UsageError(
                f"{item.nodeid} is not in its group: this pytest-xdist does not work with "
                f"pytest {pytest.__version__}. Use the versions of constraints.txt."
            )


def clio_run_path(version: str) -> Path:
    """The release's `clio_run`, installed when needed; skips where it has no wheel."""
    try:
        return runtime_install(version)
    except NoWheelError as error:
        pytest.skip(str(error))


def _cluster_heal(cluster: LocalCluster) -> None:
    """Undo what the test before did: every node runs and answers."""
    for node in cluster.nodes:
        node.resume()
        node.start()


def _single_node(directory: Path, version: str) -> Iterator[LocalNode]:
    clio_run = clio_run_path(version)
    with LocalCluster(
        directory,
        clio_run=clio_run,
        nodes=1,
        version=version,
        cte_nodes=0,
        niceness=NICENESS,
    ) as cluster:
        yield cluster.nodes[0]


@pytest.fixture(scope="session")
def clio_run_2_3_2() -> Path:
    """The path of the newest tested release's `clio_run`."""
    return clio_run_path("2.3.2")


@pytest.fixture(scope="module")
def _cluster4_of_module(
    clio_run_2_3_2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalCluster]:
    directory = tmp_path_factory.mktemp("cluster4")
    with LocalCluster(
        directory, clio_run=clio_run_2_3_2, nodes=NODES_IN_CLUSTER, niceness=NICENESS
    ) as cluster:
        yield cluster


@pytest.fixture
def cluster4(_cluster4_of_module: LocalCluster) -> LocalCluster:
    """Four real 2.3.2 nodes, all answering; started once per module, healed before each test."""
    _cluster_heal(_cluster4_of_module)
    return _cluster4_of_module


@pytest.fixture
def node_2_3_2(tmp_path: Path) -> Iterator[LocalNode]:
    """A fresh node of release 2.3.2, alone in its cluster."""
    yield from _single_node(tmp_path / "node_2_3_2", "2.3.2")


@pytest.fixture
def node_2_2_1(tmp_path: Path) -> Iterator[LocalNode]:
    """A fresh node of release 2.2.1, without a host file."""
    yield from _single_node(tmp_path / "node_2_2_1", "2.2.1")


@pytest.fixture
def node_2_0_0(tmp_path: Path) -> Iterator[LocalNode]:
    """A fresh node of release 2.0.0, without a host file."""
    yield from _single_node(tmp_path / "node_2_0_0", "2.0.0")
