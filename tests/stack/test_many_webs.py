"""Three web servers behind one nginx, on PostgreSQL and Redis, behave as one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from chaos.services import Redis, ServiceMissing
from tests.platform.process import ROOT, environment
from tests.platform.single import Browser
from tests.services import database_made
from tests.stack.test_proxy import free_port, running

PASSWORD = "a-long-enough-password-1"
WEBS = 3
LIMIT = 30
"""Requests a minute of one token."""

pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        shutil.which("nginx") is None, reason="needs nginx (on Debian: apt install nginx-light)"
    ),
]


@dataclass
class Site:
    url: str
    database: str
    env: dict[str, str]
    webs: list[int]

    def manage(self, *words: str, text: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.env,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def account(self, name: str, *more: str, text: str = "") -> str:
        return self.manage(
            "portal_account", "--username", name, "--role", "operator", *more, text=text
        )


def nginx_conf(folder: Path, port: int, webs: list[int]) -> Path:
    """Each request goes to the next server, and the answer says which it was."""
    servers = "".join(f"server 127.0.0.1:{web} max_fails=0;\n" for web in webs)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr warn;\nevents {{}}\n"
        f"http {{ access_log off;\n{temporary}upstream portal {{\n{servers}}}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://portal; "
        "proxy_set_header Host 127.0.0.1; add_header X-Server $upstream_addr always; "
        "proxy_set_header X-Forwarded-For $remote_addr; } } }\n"
    )
    return conf


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, static_files: None) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("webs")
    try:
        broker = Redis(folder, log=folder / "redis.log")
    except ServiceMissing as missing:
        pytest.skip(str(missing))
    (folder / "clio.yaml").write_text("networking:\n  port: 1\n")
    webs, port = [free_port() for _ in range(WEBS)], free_port()
    with database_made("webs") as database:
        given = {
            "CLIO_PORTAL_MODE": "production",
            "CLIO_PORTAL_SECRET_KEY": "x9" * 30,
            "CLIO_PORTAL_ALLOWED_HOSTS": "127.0.0.1",
            "CLIO_PORTAL_HTTPS": "false",
            "CLIO_PORTAL_TRUSTED_PROXIES": "1",
            "CLIO_PORTAL_DATABASE_URL": database,
            "CLIO_PORTAL_REDIS_URL": broker.url,
            "CLIO_PORTAL_RATE_TOKEN": str(LIMIT),
            "CLIO_SERVER_CONF": str(folder / "clio.yaml"),
            "WEB_CONCURRENCY": "1",
        }
        env = environment(given, folder / "data")
        gunicorn = [str(Path(sys.executable).parent / "gunicorn"), "-c", "deploy/gunicorn.conf.py"]
        gunicorn.append("clio_portal.wsgi")
        broker.start()
        try:
            site = Site(f"http://127.0.0.1:{port}", database, env, webs)
            site.manage("prepare", "--verbosity", "0")
            site.account("eve", "--password-stdin", text=f"{PASSWORD}\n")
            with ExitStack() as stack:
                for web in webs:
                    own = env | {"CLIO_PORTAL_BIND": f"127.0.0.1:{web}"}
                    stack.enter_context(running(gunicorn, own, web))
                    direct = Browser(f"http://127.0.0.1:{web}")
                    while direct.get("/healthz").status != 200:
                        time.sleep(0.1)
                conf = nginx_conf(folder, port, webs)
                stack.enter_context(running(["nginx", "-c", str(conf)], None, port))
                yield site
        finally:
            broker.child.stop()


def statuses(browser: Browser, path: str, **headers: str) -> list[int]:
    """What each server in turn says, all of them twice."""
    answers = [browser.get(path, **headers) for _ in range(2 * WEBS)]
    assert len({answer.headers["X-Server"] for answer in answers}) == WEBS
    return [answer.status for answer in answers]


def signed_in(site: Site) -> Browser:
    browser = Browser(site.url)
    browser.sign_in("eve", PASSWORD)
    return browser


def test_a_session_holds_and_ends_on_all_of_them(site: Site) -> None:
    browser, other = signed_in(site), signed_in(site)
    assert statuses(browser, "/api/jobs") == [200] * 2 * WEBS
    assert statuses(other, "/api/jobs") == [200] * 2 * WEBS
    page = browser.get("/accounts/me")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token is not None
    fields = {"csrfmiddlewaretoken": token[1]}
    assert browser.post("/accounts/me/sign-out-everywhere", fields).status == 200
    assert statuses(browser, "/api/jobs") == [401] * 2 * WEBS
    assert statuses(other, "/api/jobs") == [401] * 2 * WEBS


def test_wrong_passwords_are_counted_together(site: Site) -> None:
    site.account("mallory", "--password-stdin", text=f"{PASSWORD}\n")
    browser = Browser(site.url)
    tries = [browser.sign_in("mallory", "wrong").status for _ in range(6)]
    assert tries[-1] == 429
    assert browser.sign_in("mallory", PASSWORD).status == 429


def test_requests_are_counted_together(site: Site) -> None:
    told = site.account("script", "--service", "--token-name", "t", "--json")
    token = json.loads(told.splitlines()[-1])["token"]
    browser = Browser(site.url)
    answers: list[int] = []
    while 429 not in answers[-1:]:  # a minute of the clock may end meanwhile
        answers.append(browser.get("/api/jobs", Authorization=f"Token {token}").status)
        assert len(answers) <= 2 * LIMIT + 1, "each server counts for itself"
    assert set(answers) == {200, 429}


def test_nobody_is_shown_an_older_copy_after_a_newer_one(site: Site) -> None:
    with psycopg.connect(site.database, autocommit=True) as database:
        database.execute(
            "INSERT INTO cluster_cluster "
            "(name, created_at, poll_number, connection_reason, is_simulated) "
            "VALUES ('c', now(), 1, '', false)"
        )
    ended = threading.Event()

    def poll() -> None:
        """As a collector whose rounds take a tenth of a second."""
        with psycopg.connect(site.database, autocommit=True) as database:
            while not ended.wait(0.1):
                database.execute("UPDATE cluster_cluster SET poll_number = poll_number + 1")

    polling = threading.Thread(target=poll)
    polling.start()
    browser = signed_in(site)
    cursors: list[int] = []
    servers: set[str] = set()
    try:
        while len(set(cursors)) < 5 or len(servers) < WEBS:
            assert len(cursors) < 5000
            answer = browser.get("/api/topology")
            cursors.append(answer.json()["cursor"])
            servers.add(answer.headers["X-Server"])
    finally:
        ended.set()
        polling.join()
    assert cursors == sorted(cursors)
