"""The trail's guards, chain, retention and filters, on PostgreSQL: its triggers are others."""

from __future__ import annotations

import pytest

from tests.on_postgres import LONG, run_on_postgres

WHOLE = ("test_chain", "test_retention", "test_api")


@pytest.mark.postgres
@LONG
@pytest.mark.timeout(600)
def test_on_postgres() -> None:
    run_on_postgres("audit", *(f"tests/audit/{name}.py" for name in WHOLE))
