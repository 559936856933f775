"""The same tests of storing and reading, on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.services import POSTGRES_URL

TESTS = Path(__file__).resolve().parent.parent
WHOLE = [
    "collector/test_crew.py",
    "collector/test_tasks.py",
    "cluster/test_config_check.py",
    "nodes/test_topology.py",
    "nodes/test_bulk_json.py",
    "nodes/test_nodes_sync.py",
    "pools/test_pools.py",
]
ROUNDS = [
    "test_a_round_stores_what_the_nodes_said",
    "test_only_new_samples_are_asked_for_and_stored",
    "test_a_restart_begins_anew",
    "test_a_bad_answer_is_that_nodes_failure_alone",
    "test_a_stopped_node_is_down_and_comes_back",
    "test_hostile_names_are_stored_as_text",
    "test_a_round_that_can_not_be_stored_asks_for_the_same_again",
]


@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_on_postgres() -> None:
    """In a process of its own: the settings choose the database when they are loaded."""
    database = urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/collector_{os.getpid()}"))
    rounds = [f"collector/test_rounds.py::{name}" for name in ROUNDS]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"),
            # A thousand nodes say the same of SQLite and PostgreSQL, and take their time.
            *("--create-db", "-k", "not 1000"),
            *(str(TESTS / name) for name in WHOLE + rounds),
        ],
        cwd=TESTS.parent,
        env=os.environ
        | {"CLIO_PORTAL_DATABASE_URL": database, "PYTEST_ADDOPTS": "", "PYTEST_XDIST_WORKER": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
