"""What a process does once when all is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.platform.process import environment

WARMED = """
import gc, sys, django
django.setup()
from clio_portal.warm import warm_up
warm_up()
print(gc.get_freeze_count() > 50_000, len(gc.get_objects()) < 5_000)
print("apps.nodes.views" in sys.modules)
"""


def test_what_is_loaded_is_not_searched_for_garbage(tmp_path: Path) -> None:
    given = {"DJANGO_SETTINGS_MODULE": "clio_portal.settings"}
    done = subprocess.run(
        [sys.executable, "-c", WARMED],
        env=environment(given, tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "True", "True"], done.stderr
