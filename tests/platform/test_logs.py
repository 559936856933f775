"""What the log says of requests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.platform.process import ROOT, environment

SCRIPT = """
import django
django.setup()
import structlog
from django.test import Client
from django.urls import path
from clio_portal import urls

def fails(request):
    raise ZeroDivisionError

urls.urlpatterns.insert(0, path("fails", fails))
client = Client(raise_request_exception=False, headers={"Host": "localhost"})
for address in ("/healthz", "/no-such-page", "/api/nothing", "/fails"):
    client.get(address, headers={"X-Request-ID": "id-" + address.strip("/").replace("/", "-")})
structlog.get_logger("apps.x").info("an event", node_id=3)
"""
SECRETS = """
import logging
import django
django.setup()
import structlog
from django.conf import settings
log = structlog.get_logger("apps.x")
log.warning("can't connect", error="postgresql://portal:pa55-word@db/portal refuses")
log.warning("odd", api_token="0123456789abcdef", head={"Authorization": "Token 0123456789abcdef"})
log.warning("said", error="login with password=hunter22 and Token 0123456789abcdef failed")
name = "OPENSSH PRIVATE KEY-----"
log.warning("a key", error=f"-----BEGIN {name}\\nb3BlbnNzaC1rZXk\\n-----END {name}")
log.warning("its own", text="x" + settings.SECRET_KEY + "y", port=6379)
logging.getLogger("kombu").error("redis://:s3cret-redis@redis:6379/0 is away: %s", "s3cret-redis")

def fails():
    held = "a-local-secret-value"
    raise ValueError("db-pa55-word is wrong")
try:
    fails()
except ValueError:
    log.exception("it failed", node_id=3)
"""
HIDDEN = (
    "pa55-word",
    "0123456789abcdef",
    "hunter22",
    "b3BlbnNzaC1rZXk",
    "s3cret-redis",
    "a-local-secret-value",
    "x9" * 30,
)
WORKER = """
import django, logging, sys
django.setup()
import structlog
from celery import shared_task
from clio_portal.celery import app
from clio_portal.single.celery_threads import CeleryThreads
import threading

done = threading.Event()

@shared_task
def says():
    structlog.get_logger("apps.x").info("from the task")
    done.set()

threads = CeleryThreads()
thread = threading.Thread(target=threads._worker.start, daemon=True)
thread.start()
assert threads._ready.wait(90)
structlog.contextvars.bind_contextvars(request_id="id-of-the-request")
app.tasks[says.name].apply_async(queue="control")
assert done.wait(90)
structlog.contextvars.clear_contextvars()
done.clear()
app.tasks[says.name].apply_async(queue="control")
assert done.wait(90)
structlog.get_logger("apps.x").info("the end")
"""


def lines(given: dict[str, str], data_dir: Path, script: str = SCRIPT) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(given | {"DJANGO_SETTINGS_MODULE": "clio_portal.settings"}, data_dir),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_as_json_each_line_is_an_event_with_its_request_s_id(tmp_path: Path) -> None:
    events = [json.loads(line) for line in lines({"CLIO_PORTAL_LOG_FORMAT": "json"}, tmp_path)]
    requests = {event["path"]: event for event in events if event["event"] == "request"}
    # Live reads come many times a second: they are not worth a line each.
    assert set(requests) == {"/no-such-page", "/fails"}
    assert requests["/no-such-page"]["request_id"] == "id-no-such-page"
    assert requests["/fails"]["level"] == "warning"
    assert requests["/fails"]["status"] == 500
    assert events[-1]["event"] == "an event"
    assert events[-1]["node_id"] == 3
    assert "request_id" not in events[-1]


def test_an_unhandled_error_leaves_its_traceback_with_the_request_s_id(tmp_path: Path) -> None:
    events = [json.loads(line) for line in lines({"CLIO_PORTAL_LOG_FORMAT": "json"}, tmp_path)]
    errors = [event for event in events if event["level"] == "error"]
    assert [event["request_id"] for event in errors] == ["id-fails"]
    assert errors[0]["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_as_text_and_in_debug_even_live_reads_are_said(tmp_path: Path) -> None:
    text = lines({"CLIO_PORTAL_LOG_LEVEL": "DEBUG"}, tmp_path)
    assert any("path=/healthz" in line for line in text)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_secret_reaches_the_log(log_format: str, tmp_path: Path) -> None:
    given = {
        "CLIO_PORTAL_LOG_FORMAT": log_format,
        "CLIO_PORTAL_SECRET_KEY": "x9" * 30,
        "CLIO_PORTAL_DATABASE_URL": "postgresql://portal:db-pa55-word@127.0.0.1:1/portal",
        "CLIO_PORTAL_REDIS_URL": "redis://:s3cret-redis@127.0.0.1:1/0",
    }
    text = "\n".join(lines(given, tmp_path, SECRETS))
    assert [secret for secret in HIDDEN if secret in text] == []
    # What is of use stays.
    for word in ("can't connect", "portal", "refuses", "6379", "is away", "ValueError", "node_id"):
        assert word in text, word


def test_a_task_s_lines_carry_the_id_of_the_request_that_sent_it(tmp_path: Path) -> None:
    # That every line can be read shows, too, that Celery writes no lines of its own form.
    given = {"CLIO_PORTAL_LOG_FORMAT": "json"}
    events = [json.loads(line) for line in lines(given, tmp_path, WORKER)]
    said = [event for event in events if event["event"] == "from the task"]
    assert [event.get("request_id") for event in said] == ["id-of-the-request", None]
    assert {event["task"] for event in said} == {"says"}
    assert len({event["task_id"] for event in said}) == 2
    assert "task_id" not in events[-1]
