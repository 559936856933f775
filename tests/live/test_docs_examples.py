"""Every example of the documentation, run as it stands there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.schema import shape_check
from tests.live.portal import LivePortal
from tests.platform.process import ROOT

DOCS = ROOT / "docs"
TEXT = (DOCS / "api.md").read_text()
CURLS = re.findall(r"^    (curl .*)$", TEXT, flags=re.MULTILINE)
PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
CLIENT = re.findall(
    r"^    (clio-portal (?!login).*)$", (DOCS / "cli.md").read_text(), flags=re.MULTILINE
)
SAID = r"\n%{http_code}"
FINE = {200, 202}
TOO_LATE = {"/api/jobs/1/cancel", "/api/batches/1/pause", "/api/batches/1/resume"} | {
    "/api/batches/1/cancel"
}
"""By then that job and that batch may be over: 409, as the page says."""


@pytest.fixture(scope="module")
def environment(portal: LivePortal) -> dict[str, str]:
    return os.environ | {"PORTAL": portal.url, "TOKEN": portal.tokens["operator"]}


@pytest.fixture(scope="module", autouse=True)
def _first_job_and_batch(portal: LivePortal, environment: dict[str, str]) -> None:
    """The page speaks of job 1 and batch 1."""
    for path, body in (("topology/node/0/status?wait=60", {}), ("batches", BATCH)):
        line = f"curl -s -X POST -H 'Authorization: Token {environment['TOKEN']}' "
        line += f"-d '{json.dumps(body)}' '{portal.url}/api/{path}'"
        subprocess.run(["bash", "-c", line], check=True, capture_output=True)


BATCH = {"action": "status", "nodes": "0"}


def test_there_are_examples() -> None:
    assert shutil.which("curl"), "the examples need curl"
    assert len(CURLS) >= 25
    assert len(PYTHON) == 1
    assert CLIENT


@pytest.mark.parametrize("line", CURLS)
def test_a_curl_line(line: str, environment: dict[str, str], portal: LivePortal) -> None:
    """It answers what the schema says: pasted into a shell, it works."""
    done = subprocess.run(
        ["bash", "-c", line.replace("curl ", f"curl -sS -w '{SAID}' ", 1)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    method = (re.findall(r" -X (\w+) ", line) or ["GET"])[0]
    path = re.findall(r"\$PORTAL(/[^ \"]*)", line)[0]
    allowed = FINE | ({409} if path in TOO_LATE else set())
    assert int(status) in allowed, body
    shape_check(path, int(status), json.loads(body), method)


def test_the_python_example(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", PYTHON[0]],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "not alive: none"
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.parametrize("line", CLIENT)
def test_a_line_of_the_client_s_page(
    line: str, environment: dict[str, str], portal: LivePortal
) -> None:
    """The pipes behind it are the reader's own."""
    command = line.partition("|")[0].replace(
        "clio-portal", f"{sys.executable} -m clio_portal_cli", 1
    )
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environment
        | {"CLIO_PORTAL_URL": portal.url, "CLIO_PORTAL_TOKEN": portal.tokens["operator"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
