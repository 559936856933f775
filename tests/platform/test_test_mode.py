"""The tests themselves run in test mode, also in xdist's workers and in pytest's own children."""

from __future__ import annotations

import os

from django.conf import settings


def test_tests_run_in_test_mode() -> None:
    assert settings.PORTAL_MODE == "test"
    assert settings.SETTINGS_MODULE == "tests.settings"
    assert settings.PASSWORD_HASHERS == ["django.contrib.auth.hashers.MD5PasswordHasher"]


def test_what_they_start_does_not() -> None:
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "clio_portal.settings"
    assert os.environ.get("CLIO_PORTAL_MODE") != "test"
