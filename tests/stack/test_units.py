"""The systemd units and the example of their settings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clio_portal.celery import QUEUES
from clio_portal.settings.env import read
from stack.processes import compose_services
from tests.platform.process import ROOT

UNITS = ROOT / "deploy" / "systemd"
PROGRAMS = "/opt/clio-portal/.venv/bin/"


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        # The other tests of this file still hold; this one has nothing to ask.
        return
    for unit in UNITS.iterdir():
        text = unit.read_text().replace(PROGRAMS, f"{Path(sys.executable).parent}/")
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        [verify, "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "clio-portal" in line]
    assert ours == []


@pytest.mark.parametrize("name", ["web", "collector", "history", "control", "beat"])
def test_a_unit_runs_the_same_command_as_the_compose_file(name: str) -> None:
    text = (UNITS / f"clio-portal-{name}.service").read_text()
    found = re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)
    assert found is not None
    command = found[1].removeprefix(PROGRAMS).replace("%%", "%").split()
    wanted = [str(word) for word in compose_services({})[name]["command"]]
    assert sorted(command) == sorted(wanted)


def test_all_units_start_with_the_target() -> None:
    wants = re.findall(r"clio-portal-(\w+)\.service", (UNITS / "clio-portal.target").read_text())
    assert sorted(wants) == ["beat", "collector", "control", "history", "web"]
    assert set(QUEUES) <= set(wants)


def test_the_example_of_settings_names_only_settings_that_exist() -> None:
    text = (ROOT / "deploy/portal.env.example").read_text()
    named = set(re.findall(r"^CLIO_PORTAL_(\w+)=", text, re.MULTILINE))
    assert named <= read.known
    assert re.search(r"^CLIO_PORTAL_SECRET_KEY=$", text, re.MULTILINE)
