"""What the portal answers in production mode: asked in a process of its own, as a proxy would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.platform.process import ROOT, environment
from tests.platform.test_deploy import PRODUCTION

pytestmark = pytest.mark.xdist_group("single")

ASK = """
import json, sys
import django
django.setup()
from django.test import Client
answers = []
for path, secure, headers in json.load(sys.stdin):
    client = Client(raise_request_exception=False)
    answer = client.get(path, secure=secure, headers={"host": "portal.example.org"} | headers)
    answers.append([answer.status_code, dict(answer.headers), answer.content.decode()])
print("\\n" + json.dumps(answers))
"""
HOST = {"CLIO_PORTAL_ALLOWED_HOSTS": "portal.example.org"}
Question = tuple[str, bool, dict[str, str]]


def answers(questions: list[Question], data_dir: Path, **given: str) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env=environment(
            PRODUCTION | HOST | given | {"DJANGO_SETTINGS_MODULE": "clio_portal.settings"},
            data_dir,
        ),
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """No proxy is trusted: what it claims is a stranger's claim."""
    return answers(
        [
            ("/api/topology", True, {}),
            ("/api/topology", False, {}),
            ("/api/topology", False, {"x-forwarded-proto": "https"}),
            ("/api/topology", True, {"host": "evil.example"}),
            ("/api/topology", True, {"x-forwarded-host": "evil.example"}),
            ("/healthz", False, {}),
        ],
        tmp_path_factory.mktemp("data"),
    )


def test_https_is_told_to_stay(plain: list[Any]) -> None:
    status, headers, _ = plain[0]
    assert status == 401
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_http_is_sent_to_https(plain: list[Any]) -> None:
    status, headers, _ = plain[1]
    assert (status, headers["Location"]) == (301, "https://portal.example.org/api/topology")
    assert plain[5][0] == 200  # asked from inside


def test_a_proxy_that_is_not_configured_is_not_believed(plain: list[Any]) -> None:
    assert plain[2][0] == 301
    assert "evil.example" not in json.dumps(plain[4][1])


def test_a_host_that_is_not_ours_is_refused_without_a_word_about_why(plain: list[Any]) -> None:
    status, _, text = plain[3]
    assert status == 400
    assert json.loads(text)["code"] == "bad_request"
    assert "evil.example" not in text
    assert "ALLOWED_HOSTS" not in text


def test_a_configured_proxy_ends_https(tmp_path: Path) -> None:
    (answer,) = answers(
        [("/api/topology", False, {"x-forwarded-proto": "https"})],
        tmp_path,
        CLIO_PORTAL_TRUSTED_PROXIES="1",
    )
    assert answer[0] == 401
