"""Production mode: Django's own checks have nothing to say, and headers are strict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.platform.process import ROOT, environment, settings_of

PRODUCTION = {"CLIO_PORTAL_MODE": "production", "CLIO_PORTAL_SECRET_KEY": "aB3-" * 16 + "xyzuvw"}


def test_check_deploy_is_clean(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"],
        cwd=ROOT,
        env=environment(PRODUCTION, tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Two are silenced: they ask for promises about a site's other hosts.
    assert "no issues (2 silenced)" in done.stdout


def test_production_is_https_only_and_forgets_nothing(tmp_path: Path) -> None:
    names = (
        "DEBUG",
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SESSION_COOKIE_HTTPONLY",
        "SECURE_CONTENT_TYPE_NOSNIFF",
        "SECURE_PROXY_SSL_HEADER",
    )
    found = settings_of(PRODUCTION, tmp_path, *names)
    assert found.pop("SECURE_HSTS_SECONDS") >= 31_536_000
    assert found.pop("DEBUG") is False
    assert found.pop("SECURE_PROXY_SSL_HEADER") is None  # no proxy is believed unasked
    assert set(found.values()) == {True}
    behind = settings_of(
        PRODUCTION | {"CLIO_PORTAL_TRUSTED_PROXIES": "1"}, tmp_path, "SECURE_PROXY_SSL_HEADER"
    )
    assert behind["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
