"""The same tests of storing and reading, on PostgreSQL."""

from __future__ import annotations

import pytest

from tests.on_postgres import LONG, run_on_postgres

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
@LONG
@pytest.mark.timeout(600)
def test_on_postgres() -> None:
    rounds = [f"collector/test_rounds.py::{name}" for name in ROUNDS]
    # A thousand nodes say the same of SQLite and PostgreSQL, and take their time.
    named = (f"tests/{name}" for name in WHOLE + rounds)
    run_on_postgres("collector", "-k", "not 1000", *named)
