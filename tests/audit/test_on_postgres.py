"""The trail's guards, chain, retention and filters, on PostgreSQL: its triggers are others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.services import POSTGRES_URL

TESTS = Path(__file__).resolve().parent.parent
WHOLE = ["audit/test_chain.py", "audit/test_retention.py", "audit/test_api.py"]


@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_on_postgres() -> None:
    """In a process of its own: the settings choose the database when they are loaded."""
    database = urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/audit_{os.getpid()}"))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"),
            *("--create-db", *(str(TESTS / name) for name in WHOLE)),
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
