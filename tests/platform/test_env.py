"""Every variable's wrong value stops the start with a sentence that names the variable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clio_portal.settings.env import read
from tests.platform.process import ROOT, settings_errors, settings_of

WRONG = {
    "MODE": ["demo", "Production"],
    "DEBUG": ["maybe"],
    "DATA_DIR": ["/proc/nowhere"],
    "DATABASE_URL": ["portal.db", "mysql://localhost/portal", "postgres://", "sqlite"],
    "REDIS_URL": ["localhost:6379", "http://localhost", "redis://"],
    "CLIENT": ["zmq"],
    "WIRE_GENERATION": ["2.1", "2"],
    "ALLOW_LEGACY_PROBE": ["perhaps"],
    "DIALBACK_PORTS": ["17000-16000", "0-10", "1-65536", "a-b"],
    "POLL_SYSTEM_S": ["0", "-1", "two", "nan", "inf"],
    "POLL_WORKERS_S": ["0.1"],
    "POLL_BLOCK_DEVICES_S": ["1e9"],
    "POLL_CONTAINERS_S": [","],
    "POLL_CONFIG_S": ["5s"],
    "DEADLINE_S": ["0", "61"],
    "STALE_AFTER_S": ["2", "0.5"],
    "ACCESS_METHOD": ["telnet"],
    "ACCESS_FILE": ["access.yaml"],
    "CLIO_RUN": ["clio_run"],
    "SSH_PORT": ["0", "ssh"],
    "SSH_JUMP": ["a b", "gate:port"],
    "SSH_HOST_KEYS": ["no"],
    "SSH_KEY_FILE": ["id_ed25519"],
    "TIME_ZONE": ["Mars/Olympus", "../etc/passwd", "/etc/localtime"],
    "LOG_FORMAT": ["xml"],
    "LOG_LEVEL": ["info"],
    "HTTPS": ["2"],
    "TRUSTED_PROXIES": ["-1", "many", "1.0"],
    "TRUSTED_ORIGINS": ["portal.example.org", "https://a.example/path"],
    "SESSION_HOURS": ["0", "1e3"],
    "CORS_ORIGINS": ["*", "dashboards.example.org"],
    "RATE_TOKEN": ["-1", "many"],
    "BODY_LIMIT_BYTES": ["0", "1GB"],
    "SIGN_IN_ATTEMPTS": ["0"],
    "SIGN_IN_COOL_OFF_S": ["never"],
}


CASES = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    given = [{f"CLIO_PORTAL_{name}": value} for name, value in CASES]
    return dict(zip(CASES, settings_errors(given, tmp_path_factory.mktemp("data")), strict=True))


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_wrong_value_names_its_variable(
    name: str, value: str, refusals: dict[tuple[str, str], str]
) -> None:
    assert refusals[name, value].startswith(f"CLIO_PORTAL_{name}=")


def test_a_wrong_url_does_not_show_its_password(tmp_path: Path) -> None:
    given = {"CLIO_PORTAL_DATABASE_URL": "mysql://portal:s3cret@db/portal"}
    (text,) = settings_errors([given], tmp_path)
    assert "s3cret" not in text
    assert "mysql://portal:***@db/portal" in text


def test_production_refuses_what_is_not_safe(tmp_path: Path) -> None:
    production = {"CLIO_PORTAL_MODE": "production"}
    missing, short, debug = settings_errors(
        [
            production,
            production | {"CLIO_PORTAL_SECRET_KEY": "hunter2"},
            production | {"CLIO_PORTAL_SECRET_KEY": "x9" * 30, "CLIO_PORTAL_DEBUG": "true"},
        ],
        tmp_path,
    )
    assert missing.startswith("CLIO_PORTAL_SECRET_KEY must be set in production")
    assert short.startswith("CLIO_PORTAL_SECRET_KEY=")
    assert "hunter2" not in short
    assert debug.startswith("CLIO_PORTAL_DEBUG=")
    assert not (tmp_path / "secret_key").exists()


def test_production_is_secure_by_default(tmp_path: Path) -> None:
    given = {"CLIO_PORTAL_MODE": "production", "CLIO_PORTAL_SECRET_KEY": "x9" * 30}
    found = settings_of(
        given,
        tmp_path,
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
        "SESSION_COOKIE_NAME",
        "DEBUG",
        "SESSION_ENGINE",
    )
    assert found["SESSION_COOKIE_SECURE"] is True
    assert found["CSRF_COOKIE_SECURE"] is True
    assert found["SECURE_SSL_REDIRECT"] is True
    assert found["SECURE_HSTS_SECONDS"] == 365 * 24 * 3600
    assert found["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert found["DEBUG"] is False
    # Several processes without a shared cache: a cached session would outlive signing out.
    assert found["SESSION_ENGINE"] == "django.contrib.sessions.backends.db"


def test_single_mode_keeps_one_secret_for_its_owner(tmp_path: Path) -> None:
    first = settings_of({}, tmp_path, "SECRET_KEY")["SECRET_KEY"]
    second = settings_of({}, tmp_path, "SECRET_KEY")["SECRET_KEY"]
    assert first == second
    assert len(first) >= 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_values_reach_their_settings(tmp_path: Path) -> None:
    found = settings_of(
        {
            "CLIO_PORTAL_POLL_SYSTEM_S": "1.5",
            "CLIO_PORTAL_DIALBACK_PORTS": "17000-17031",
            "CLIO_PORTAL_ALLOWED_HOSTS": "portal.example.org, 10.0.0.1",
            "CLIO_PORTAL_ALLOW_LEGACY_PROBE": "Yes",
            "CLIO_PORTAL_SECRET_KEY": "$HOME is not followed",
        },
        tmp_path,
        "PORTAL_POLL_SYSTEM_S",
        "PORTAL_DIALBACK_PORTS",
        "ALLOWED_HOSTS",
        "PORTAL_ALLOW_LEGACY_PROBE",
        "SECRET_KEY",
        "CELERY_BEAT_SCHEDULE",
    )
    assert found["PORTAL_POLL_SYSTEM_S"] == 1.5
    assert found["PORTAL_DIALBACK_PORTS"] == [17000, 17031]
    assert found["ALLOWED_HOSTS"] == ["portal.example.org", "10.0.0.1"]
    assert found["PORTAL_ALLOW_LEGACY_PROBE"] is True
    assert found["SECRET_KEY"] == "$HOME is not followed"
    system = found["CELERY_BEAT_SCHEDULE"]["collect-system"]
    assert system["schedule"] == system["options"]["expires"] == 1.5


def test_how_often_is_polled_unless_told_otherwise(tmp_path: Path) -> None:
    schedule = settings_of({}, tmp_path, "CELERY_BEAT_SCHEDULE")["CELERY_BEAT_SCHEDULE"]
    kinds = ("system", "workers", "block-devices", "containers")
    assert [schedule[f"collect-{kind}"]["schedule"] for kind in kinds] == [2, 5, 10, 60]


def test_a_misspelt_variable_is_reported(tmp_path: Path) -> None:
    found = settings_of({"CLIO_PORTAL_POLL_SYSTEMS_S": "1"}, tmp_path, "PORTAL_UNKNOWN_VARIABLES")
    assert found["PORTAL_UNKNOWN_VARIABLES"] == {
        "CLIO_PORTAL_POLL_SYSTEMS_S": "CLIO_PORTAL_POLL_SYSTEM_S"
    }


def test_the_variables_of_the_tests_are_not_misspelt(tmp_path: Path) -> None:
    given = {"CLIO_PORTAL_TEST_POSTGRES_URL": "postgres://postgres@127.0.0.1:5432/postgres"}
    found = settings_of(given, tmp_path, "PORTAL_UNKNOWN_VARIABLES")
    assert found["PORTAL_UNKNOWN_VARIABLES"] == {}


def test_every_variable_is_documented_and_no_other() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    first_cells = "".join(
        line.split("|")[1] for line in text.splitlines() if line.startswith("| `")
    )
    assert set(re.findall(r"`([A-Z_]+)`", first_cells)) == read.known
