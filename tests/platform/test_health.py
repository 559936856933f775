"""/healthz and /readyz: what they say, and to whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.test import Client

from apps.cluster.models import Cluster
from clio_portal import health
from tests.factories import AT

pytestmark = pytest.mark.django_db


def polled(**ago: float) -> None:
    Cluster.objects.create(name="c", created_at=AT, polled_at=AT - timedelta(**ago))


def test_healthz_needs_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_database", lambda: pytest.fail("asked the database"))
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_when_the_collector_polls() -> None:
    polled(seconds=1)
    parts = health.readiness(at=AT)
    assert {name: part["ok"] for name, part in parts.items()} == {
        "broker": True,
        "database": True,
        "migrations": True,
        "collector": True,
    }
    assert parts["collector"]["age_s"] == 1.0


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
