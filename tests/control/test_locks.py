"""No two actions may wait for each other's rows: PostgreSQL would end one of them with an error."""

from __future__ import annotations

import re

import pytest

from tests.on_postgres import LONG, run_on_postgres
from tests.platform.process import ROOT

JOINED = re.compile(r"select_for_update\((?![^)]*of=)[^)]*\)[\s.()\w]*?\.select_related\(")


def test_no_row_is_locked_only_because_it_was_read_along() -> None:
    """`select_related` beside `select_for_update` locks all of them, without `of`."""
    joined = [
        str(path.relative_to(ROOT))
        for folder in ("apps", "clio_portal")
        for path in (ROOT / folder).rglob("*.py")
        if JOINED.search(path.read_text(encoding="utf-8"))
    ]
    assert joined == []
    assert JOINED.search('Row.objects.select_for_update().select_related("other").get()')


@pytest.mark.postgres
@LONG
@pytest.mark.timeout(600)
def test_on_postgres() -> None:
    run_on_postgres("locks", "tests/control/locks_on_postgres.py")
