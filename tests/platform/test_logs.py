"""What the log says of requests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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


def lines(given: dict[str, str], data_dir: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=environment(given | {"DJANGO_SETTINGS_MODULE": "clio_portal.settings"}, data_dir),
        capture_output=True,
        text=True,
        timeout=60,
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
