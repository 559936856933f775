"""Processes of the portal, started as people start them, with an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS_DEADLINE_S = 60

PRINT_SETTINGS = """
import json, sys
from clio_portal import settings
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))
"""
TRY_SETTINGS = """
import json, os, sys
from importlib import import_module
from django.core.exceptions import ImproperlyConfigured
before, errors = dict(os.environ), []
for given in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(before | given)
    for name in [name for name in sys.modules if name.startswith("clio_portal")]:
        del sys.modules[name]
    try:
        import_module("clio_portal.settings")
    except ImproperlyConfigured as error:
        errors.append(str(error))
    else:
        errors.append("")
print(json.dumps(errors))
"""


def environment(given: dict[str, str], data_dir: Path) -> dict[str, str]:
    """This process's, without any setting of the portal or of a runtime but `given`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLIO_", "CHI_", "WRP_", "DJANGO_"))
    }
    return kept | {"CLIO_PORTAL_DATA_DIR": str(data_dir)} | given


def _python(
    script: str, *arguments: str, given: dict[str, str], data_dir: Path, text: str = ""
) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env=environment(given, data_dir),
        input=text,
        capture_output=True,
        text=True,
        timeout=SETTINGS_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def settings_of(given: dict[str, str], data_dir: Path, *names: str) -> dict[str, Any]:
    """The settings that a fresh process reads from these variables."""
    found: dict[str, Any] = _python(PRINT_SETTINGS, *names, given=given, data_dir=data_dir)
    return found


def settings_errors(cases: list[dict[str, str]], data_dir: Path) -> list[str]:
    """For each set of variables, why the settings refuse it; ``""``: they accept it."""
    errors: list[str] = _python(TRY_SETTINGS, given={}, data_dir=data_dir, text=json.dumps(cases))
    return errors
