"""/healthz and /readyz: what they say, and to whom."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError
from django.test import Client

from apps.cluster.models import Cluster
from clio_portal import alive, health
from clio_portal.signs import BEAT, LASTS_S, signs_give, worker_role
from tests.factories import AT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_signs() -> None:
    cache.clear()


def polled(**ago: float) -> None:
    Cluster.objects.create(name="c", created_at=AT, polled_at=AT - timedelta(**ago))


def test_healthz_needs_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_database", lambda: pytest.fail("asked the database"))
    assert client.get("/healthz").json() == {"status": "ok"}


def test_it_answers_whoever_asks_by_address(client: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["portal.example.org"]
    settings.SECURE_SSL_REDIRECT = True
    for path in ("/healthz", "/readyz"):
        answer = client.get(path, headers={"Host": "10.1.2.3:8000"})
        assert answer.status_code in (200, 503)
        assert answer["X-Request-ID"]
        assert client.post(path).status_code == 405
    assert client.get("/jobs", headers={"Host": "10.1.2.3:8000"}).status_code == 400


def test_ready_when_the_collector_polls() -> None:
    polled(seconds=1)
    signs = [BEAT, worker_role("control"), worker_role("history")]
    signs_give(signs, at=AT - timedelta(seconds=4))
    parts = health.readiness(at=AT)
    assert {name: part["ok"] for name, part in parts.items()} == {
        "broker": True,
        "database": True,
        "migrations": True,
        "collector": True,
        "beat": True,
        "control": True,
        "history": True,
    }
    assert parts["collector"]["age_s"] == 1.0
    assert parts["beat"]["age_s"] == 4.0


def test_not_ready_when_it_has_stopped(client: Client) -> None:
    polled(seconds=settings.PORTAL_STALE_AFTER_S + 1)
    assert health.readiness(at=AT)["collector"]["ok"] is False
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"


def test_not_ready_before_the_first_round() -> None:
    assert health.readiness(at=AT)["collector"] == {
        "ok": False,
        "detail": "has not finished a round yet",
        "age_s": None,
    }


def test_a_database_that_fails_is_said_without_its_error(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> dict[str, Any]:
        raise DatabaseError("password authentication failed for user portal at 10.0.0.5")

    monkeypatch.setattr(health, "_database", fails)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] == {"ok": False, "detail": "does not answer"}
    assert "10.0.0.5" not in answer.content.decode()


def test_a_broker_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.PORTAL_REDIS_URL = "redis://127.0.0.1:1/0"
    assert health.readiness(at=AT)["broker"]["ok"] is False


def test_a_beat_that_gives_no_sign_is_said() -> None:
    polled(seconds=1)
    signs_give([worker_role("control")], at=AT)
    parts = health.readiness(at=AT)
    assert parts["control"]["ok"] is True
    assert parts["beat"]["ok"] is False
    assert "Celery beat" in parts["beat"]["detail"]
    assert "a Celery worker for the queue history" in parts["history"]["detail"]


def test_a_sign_dies_by_itself(time_machine: Any) -> None:
    signs_give([BEAT], at=AT)
    assert health.readiness(at=AT)["beat"]["ok"] is True
    time_machine.move_to(time.time() + LASTS_S + 1)
    assert health.readiness(at=AT)["beat"]["ok"] is False


def test_without_the_cache_nobody_is_called_alive_or_dead(settings: Any) -> None:
    settings.CACHES = settings.CACHES | {
        "signs": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    assert signs_give([BEAT], at=AT) is False
    assert health.readiness(at=AT)["beat"] == {
        "ok": False,
        "detail": "not known: the cache does not answer",
        "age_s": None,
    }


def test_missing_migrations_are_counted_until_there_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health._Applied, "yes", False)
    monkeypatch.setattr(health, "migrations_missing", lambda: 2)
    part = health.readiness(at=AT)["migrations"]
    assert part == {"ok": False, "detail": "2 not applied: run manage.py migrate"}
    monkeypatch.setattr(health, "migrations_missing", lambda: 0)
    assert health.readiness(at=AT)["migrations"]["ok"] is True
    monkeypatch.setattr(health, "migrations_missing", lambda: pytest.fail("looked again"))
    assert health.readiness(at=AT)["migrations"]["ok"] is True


def test_a_sign_touches_the_file_that_a_health_check_looks_at(
    settings: Any, tmp_path: Path
) -> None:
    file = tmp_path / "alive"
    settings.PORTAL_ALIVE_FILE = str(file)
    assert alive.main([str(file)]) == 1
    signs_give([BEAT], at=AT)
    assert alive.main([str(file)]) == 0
    old = time.time() - alive.OLDEST_S - 5
    os.utime(file, (old, old))
    assert alive.main([str(file)]) == 1


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing."""


def test_the_health_check_asks_an_address() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            assert alive.main([f"{url}/healthz"]) == 0
            assert alive.main([f"{url}/readyz"]) == 1
        finally:
            server.shutdown()
            thread.join()
    assert alive.main(["http://127.0.0.1:1/healthz"]) == 1
    assert alive.main([]) == 2
