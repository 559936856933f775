"""Runs tests once more with PostgreSQL behind them."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tests.platform.process import ROOT
from tests.services import POSTGRES_URL

LONG = pytest.mark.xdist_group("on_postgres")
"""Groups begin first: at the end, the others would wait for these tests."""


def run_on_postgres(purpose: str, *arguments: str) -> None:
    """What `arguments` name, under tests/, on a database of their own.

    In a process of its own: the settings choose the database when they are loaded.
    """
    database = urlsplit(POSTGRES_URL)._replace(path=f"/{purpose}_{os.getpid()}").geturl()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"),
            *("--create-db", *arguments),
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
