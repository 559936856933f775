"""The single mode as people run it: a process, a browser, signals."""

from __future__ import annotations

import re
import signal
import socket
import stat
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests.platform.single import STOP_DEADLINE_S, Browser, SinglePortal, ended
from tests.services import REDIS_URL, database_made

pytestmark = pytest.mark.xdist_group("single")  # its portal is started once


def first_sign_in(portal: SinglePortal) -> tuple[str, str]:
    name = re.search(r"user name +(\S+)", portal.text())
    password = re.search(r"password +(\S+)", portal.text())
    assert name is not None
    assert password is not None
    return name[1], password[1]


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + STOP_DEADLINE_S
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Generator[SinglePortal]:
    with SinglePortal(tmp_path_factory.mktemp("portal"), migrates=True) as portal:
        yield portal


def test_the_first_administrator_signs_in_with_the_password_shown(portal: SinglePortal) -> None:
    browser = Browser(portal.url)
    landed = browser.sign_in(*first_sign_in(portal))
    assert landed.status == 200
    assert landed.url.endswith("/api/docs")
    assert browser.get("/api/schema").json()["openapi"].startswith("3.1")


def test_a_wrong_password_does_not(portal: SinglePortal) -> None:
    landed = Browser(portal.url).sign_in("somebody", "wrong password")
    assert "/accounts/login/" in landed.url


def test_posting_without_the_csrf_token_is_refused(portal: SinglePortal) -> None:
    browser = Browser(portal.url)
    browser.get("/accounts/login/")
    assert browser.post("/accounts/login/", {"username": "a", "password": "b"}).status == 403


def test_a_token_of_the_command_line_opens_the_api_at_once(portal: SinglePortal) -> None:
    said = portal.manage(
        "portal_account", "--username", "s", "--role", "viewer", "--token-name", "t", "--json"
    )
    browser = Browser(portal.url)
    assert browser.get("/api/schema").status == 401
    answer = browser.get("/api/schema", Authorization=f"Token {said['token']}")
    assert answer.status == 200


def test_the_collector_runs_inside(portal: SinglePortal) -> None:
    def polls() -> bool:
        parts = Browser(portal.url).get("/readyz").json()["parts"]
        return bool(parts["collector"]["ok"])

    assert eventually(polls), portal.text()


def test_static_files_are_served(portal: SinglePortal) -> None:
    answer = Browser(portal.url).get("/static/js/api-docs.js")
    assert answer.status == 200
    assert "javascript" in answer.headers["Content-Type"]


def test_what_it_writes_is_for_its_owner_only(portal: SinglePortal) -> None:
    written = [path for path in portal.data_dir.iterdir() if path.name.startswith("portal.")]
    assert {path.name for path in written} >= {"portal.sqlite3", "portal.lock"}
    assert [path for path in written if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_a_second_instance_refuses_and_says_why(portal: SinglePortal) -> None:
    assert portal.process is not None
    code, text = portal.refused("--port", "0")
    assert code == 2
    assert f"process {portal.process.pid}, since 20" in text
    assert portal.url in text
    assert "CLIO_PORTAL_DATA_DIR" in text
    assert Browser(portal.url).get("/healthz").status == 200


def test_a_busy_port_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, text = SinglePortal(tmp_path).refused("--port", str(port))
    assert code == 2
    assert f"127.0.0.1:{port}" in text
    assert f"--port {port + 1}" in text
    assert "Traceback" not in text


def test_a_wrong_setting_is_a_sentence_not_a_traceback(tmp_path: Path) -> None:
    code, text = SinglePortal(tmp_path, given={"CLIO_PORTAL_CLIENT": "zmq"}).refused()
    assert code == 2
    assert "CLIO_PORTAL_CLIENT='zmq' must be one of auto, wire, native" in text
    assert "Traceback" not in text


def test_it_does_not_pass_for_production(tmp_path: Path) -> None:
    code, text = SinglePortal(tmp_path, given={"CLIO_PORTAL_MODE": "production"}).refused()
    assert code == 2
    assert "gunicorn" in text


def test_killed_and_started_again_it_keeps_people_and_sessions(tmp_path: Path) -> None:
    with SinglePortal(tmp_path) as portal:
        name, password = first_sign_in(portal)
        browser = Browser(portal.url)
        browser.sign_in(name, password)
        background = portal.background()
        assert portal.stop(signal.SIGKILL) == -signal.SIGKILL
        assert ended(background)
        portal.start()
        assert "first start" not in portal.text()
        browser.url = portal.url
        assert browser.get("/api/docs").url.endswith("/api/docs")
        assert Browser(portal.url).sign_in(name, password).url.endswith("/api/docs")


def test_told_to_stop_it_ends_cleanly_and_frees_the_lock(tmp_path: Path) -> None:
    """Also when its child is told, too, as by a terminal's Ctrl-C or a service manager."""
    with SinglePortal(tmp_path) as portal:
        background = portal.background()
        background.send_signal(signal.SIGINT)
        background.send_signal(signal.SIGTERM)
        assert Browser(portal.url).get("/healthz").status == 200
        assert background.is_running()
        assert portal.stop(signal.SIGTERM) == 0
        assert ended(background)
        assert "celery_ended=True" in portal.text()
        assert "Traceback" not in portal.text()
        portal.start()
        assert portal.stop(signal.SIGINT) == 0
        assert "Traceback" not in portal.text()


@pytest.fixture
def database_url() -> Generator[str]:
    """An empty database of its own on the tests' PostgreSQL server."""
    with database_made("single") as url:
        yield url


@pytest.mark.redis
@pytest.mark.postgres
def test_with_postgresql_and_redis_it_does_the_same(tmp_path: Path, database_url: str) -> None:
    services = {"CLIO_PORTAL_REDIS_URL": REDIS_URL, "CLIO_PORTAL_DATABASE_URL": database_url}
    with SinglePortal(tmp_path, given=services) as portal:

        def ready() -> bool:
            parts = Browser(portal.url).get("/readyz").json()["parts"]
            return bool(parts["collector"]["ok"] and parts["broker"]["detail"] == "answers")

        assert eventually(ready), portal.text()
        browser = Browser(portal.url)
        assert browser.sign_in(*first_sign_in(portal)).url.endswith("/api/docs")
        said = portal.manage(
            "portal_account", "--username", "s", "--role", "viewer", "--token-name", "t", "--json"
        )
        script = Browser(portal.url)
        for _ in range(2):  # the first use is written down, the second reads that
            token = f"Token {said['token']}"
            assert script.get("/api/schema", Authorization=token).status == 200
        assert not (tmp_path / "portal.sqlite3").exists()
        assert portal.stop(signal.SIGTERM) == 0


def test_a_redis_that_is_away_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    away = {"CLIO_PORTAL_REDIS_URL": f"redis://127.0.0.1:{port}/0"}
    code, text = SinglePortal(tmp_path, given=away).refused("--port", "0")
    assert code == 2
    assert "CLIO_PORTAL_REDIS_URL" in text
