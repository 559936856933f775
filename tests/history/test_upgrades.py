"""Migrations run forwards on a filled database of each kind, and old blocks stay readable.

`data/filled_0001.json` holds rows as the first version wrote them: it is never made anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.on_postgres import LONG
from tests.services import database_made

pytestmark = LONG
ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).parent / "data"
FILLED = DATA / "filled_0001.json"
EXPECTED = DATA / "filled_0001.csv"

LOAD = """
import json, sys
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    for table, rows in json.load(open(sys.argv[1])).items():
        for row in rows:
            names = ", ".join('"%s"' % name for name in row)
            values = [
                bytes.fromhex(one[4:]) if str(one).startswith("hex:") else one
                for one in row.values()
            ]
            marks = ", ".join(["%s"] * len(values))
            cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)
"""

LOOK = """
import django, json
django.setup()
from datetime import UTC, datetime, timedelta
from apps.history.models import StorageTally
from apps.history.selectors import series_read
from apps.history.types import SubjectRef
start = datetime(2026, 11, 22, 6, tzinfo=UTC)
found = {}
for step in (60, 3600, 86400):
    for kind, key, metric in (
        ("node", "1", "system.cpu_usage_pct"),
        ("block_device", "1/bdev/301.0", "block_device.reads_per_s"),
    ):
        curve = series_read(
            cluster_key=1, subjects=[SubjectRef(kind, key)], metrics=[metric],
            start=start, end=start + timedelta(hours=4), step_s=step, at=start,
        ).curves[0]
        known = curve.counts > 0
        found[f"{metric} by {step}"] = [
            int(curve.counts.sum()), round(float(curve.minimum[known].min()), 3),
            round(float(curve.maximum[known].max()), 3),
        ]
found["tally"] = [list(row) for row in StorageTally.objects.order_by("resolution", "day")
                  .values_list("resolution", "rows")]
print(json.dumps(found))
"""


def run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | environment | {"DJANGO_SETTINGS_MODULE": "clio_portal.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def upgrade(environment: dict[str, str], directory: Path) -> None:
    run(environment, "manage.py", "migrate", "--verbosity=0", "history", "0001")
    run(environment, "-c", LOAD, str(FILLED))
    run(environment, "manage.py", "migrate", "--verbosity=0", "history")
    run(environment, "manage.py", "history_export", str(directory))
    exported = "".join(path.read_text() for path in sorted(directory.glob("*.csv")))
    assert exported.splitlines() == EXPECTED.read_text().splitlines()
    found: dict[str, Any] = json.loads(run(environment, "-c", LOOK))
    assert found == json.loads((DATA / "filled_0001_read.json").read_text())


def test_a_filled_sqlite_database_goes_forwards(tmp_path: Path) -> None:
    upgrade({"CLIO_PORTAL_DATA_DIR": str(tmp_path)}, tmp_path / "out")


@pytest.mark.postgres
def test_a_filled_postgresql_database_goes_forwards(tmp_path: Path) -> None:
    with database_made("history") as url:
        environment = {"CLIO_PORTAL_DATA_DIR": str(tmp_path), "CLIO_PORTAL_DATABASE_URL": url}
        upgrade(environment, tmp_path / "out")


@pytest.mark.postgres
def test_the_store_and_its_reads_hold_on_postgresql(tmp_path: Path) -> None:
    """The same tests as on SQLite, with the other database behind them."""
    with database_made("history") as url:
        files = ("store", "reading", "retention", "transfer")
        run(
            {"CLIO_PORTAL_DATA_DIR": str(tmp_path), "CLIO_PORTAL_DATABASE_URL": url},
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
            *(f"tests/history/test_{name}.py" for name in files),
        )
