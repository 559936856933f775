"""No two actions may wait for each other's rows: PostgreSQL would end one of them with an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.platform.process import ROOT
from tests.services import POSTGRES_URL

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
@pytest.mark.timeout(600)
def test_on_postgres() -> None:
    """In a process of its own: the settings choose the database when they are loaded."""
    database = urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/locks_{os.getpid()}"))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"),
            *("--create-db", str(Path(__file__).with_name("locks_on_postgres.py"))),
        ],
        cwd=ROOT,
        env=os.environ
        | {"CLIO_PORTAL_DATABASE_URL": database, "PYTEST_ADDOPTS": "", "PYTEST_XDIST_WORKER": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
