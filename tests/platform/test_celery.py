"""What every process of the portal knows of Celery, a web process as well."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import signals
from celery.fixups import django as fixup
from django.db import connections

from clio_portal.celery import app
from tests.platform.process import ROOT, environment

SCRIPT = """
import json
import clio_portal.wsgi
from celery import current_app
from django.conf import settings
from apps.control.services.dispatch import RUN_TASK
wanted = {RUN_TASK, *(entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values())}
routes = {}
for name in sorted(wanted & set(current_app.tasks)):
    routes[name] = current_app.amqp.router.route({}, name)["queue"].name
print(json.dumps({"missing": sorted(wanted - set(current_app.tasks)), "routes": routes}))
"""
TASK = SimpleNamespace(name="a.task", request=SimpleNamespace())


def test_a_web_process_knows_the_tasks_that_it_sends(tmp_path: Path) -> None:
    given = {"CLIO_PORTAL_MODE": "production", "CLIO_PORTAL_SECRET_KEY": "x9" * 30}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=environment(given, tmp_path),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["missing"] == []
    # Each by its own way: what people wait for does not stand behind the polls.
    assert found["routes"]["apps.control.tasks.control_job_run_task"] == "control"
    assert found["routes"]["apps.collector.tasks.collect_system_task"] == "collector"
    assert found["routes"]["apps.collector.tasks.history_feed_task"] == "history"


@pytest.mark.django_db
def test_a_task_leaves_its_database_connection_to_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[str] = []
    connections["default"].ensure_connection()
    monkeypatch.setattr(connections["default"], "close", lambda: closed.append("closed"))
    worker = fixup.DjangoWorkerFixup(app)  # type: ignore[attr-defined]  # the stubs lack it
    worker.close_database()  # before each task, and after it
    assert closed == []


def test_a_connection_that_broke_or_is_old_does_not_stay_with_its_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[str] = []
    connection = connections["default"]
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: looked.append("at"))
    signals.task_prerun.send(sender=None, task_id="one", task=TASK)
    assert looked == ["at"]
