"""What sites in production mode share: their static files, in the checkout's own folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.platform.process import ROOT, environment


@pytest.fixture(scope="session")
def static_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As an administrator collects them, once for all sites: no setting changes them."""
    folder: Path = tmp_path_factory.mktemp("static")
    given = {"CLIO_PORTAL_MODE": "production", "CLIO_PORTAL_SECRET_KEY": "x9" * 30}
    given["CLIO_PORTAL_ALLOWED_HOSTS"] = "127.0.0.1"
    argv = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env=environment(given, folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
