"""Signing in and out while Redis is away, and what a copy of a session is worth afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.core.cache import caches
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.audit.models import AuditEvent
from apps.common import cache as portal_cache
from tests.accounts.people import PASSWORD
from tests.services import REDIS_URL, service_is_reachable

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"
NOWHERE = "redis://127.0.0.1:1/0"
OPTIONS = {"socket_timeout": 2, "socket_connect_timeout": 2}


PREFIX = f"test-sessions-{os.getpid()}"
"""Other processes' tests use the same Redis."""


def redis_at(settings: Any, url: str) -> None:
    """The caches as with CLIO_PORTAL_REDIS_URL."""
    at = {"LOCATION": url, "KEY_PREFIX": PREFIX, "OPTIONS": OPTIONS}
    names = {
        "default": "django.core.cache.backends.redis.RedisCache",
        "live": "apps.common.cache.ForgivingRedisCache",
        "sessions": "apps.common.cache.SessionRedisCache",
    }
    own = {name: at | {"BACKEND": backend} for name, backend in names.items()}
    settings.CACHES = settings.CACHES | own
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
    settings.SESSION_CACHE_ALIAS = "sessions"
    caches["process"].clear()


@pytest.fixture
def viewer(person: Callable[[Role | None], User]) -> User:
    return person(Role.VIEWER)


def sign_in(client: Client, password: str = PASSWORD) -> int:
    return client.post(LOGIN, {"username": "viewer", "password": password}).status_code


def is_in(client: Client) -> bool:
    return client.get("/accounts/me").status_code == 200


def test_people_sign_in_and_out_while_redis_is_away(viewer: User, settings: Any) -> None:
    redis_at(settings, NOWHERE)
    client = Client()
    assert sign_in(client) == 302
    assert is_in(client)
    copied = Client()
    copied.cookies.update(client.cookies)
    assert client.post("/accounts/logout/").status_code == 302
    assert not is_in(client)
    assert not is_in(copied)
    actions = list(AuditEvent.objects.order_by("number").values_list("action", flat=True))
    assert actions[-2:] == ["auth.sign_in", "auth.sign_out"]


def test_the_password_can_be_given_again(viewer: User, settings: Any) -> None:
    redis_at(settings, NOWHERE)
    client = Client()
    sign_in(client)
    assert client.post("/accounts/confirm", {"password": PASSWORD}).status_code == 302
    assert is_in(client)


def test_wrong_passwords_still_lock_out(viewer: User, settings: Any) -> None:
    redis_at(settings, NOWHERE)
    client = Client()
    tries = [sign_in(client, "wrong") for _ in range(settings.AXES_FAILURE_LIMIT + 2)]
    assert tries[-3:] == [429, 429, 429]
    assert sign_in(client) == 429
    assert AuditEvent.objects.filter(action="auth.locked_out").count() == 1


def test_what_is_no_token_is_refused_and_recorded_once(viewer: User, settings: Any) -> None:
    redis_at(settings, NOWHERE)
    stranger = Client(headers={"authorization": f"Token {'0' * 64}"})
    assert [stranger.get("/api/topology").status_code for _ in range(3)] == [401, 401, 401]
    assert AuditEvent.objects.filter(action="api_token.refused").count() == 1


@pytest.mark.skipif(not service_is_reachable(REDIS_URL), reason="no Redis")
def test_a_copy_that_could_not_be_deleted_is_soon_worth_nothing(
    viewer: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert portal_cache.COPY_LASTS_S <= 10
    monkeypatch.setattr(portal_cache, "COPY_LASTS_S", 2)
    redis_at(settings, REDIS_URL)
    server = redis.Redis.from_url(REDIS_URL)
    client = Client()
    assert sign_in(client) == 302
    assert is_in(client)
    copied = Client()
    copied.cookies.update(client.cookies)
    redis_at(settings, NOWHERE)  # it goes away, and keeps what it has
    assert client.post("/accounts/logout/").status_code == 302
    redis_at(settings, REDIS_URL)
    give_up_at = time.monotonic() + 30
    while left := list(server.scan_iter(f"{PREFIX}:*cached_db*")):
        assert time.monotonic() < give_up_at, left
        time.sleep(0.1)
    assert not is_in(copied)


@pytest.mark.skipif(not service_is_reachable(REDIS_URL), reason="no Redis")
def test_signing_out_ends_the_copy_at_once_where_redis_answers(viewer: User, settings: Any) -> None:
    redis_at(settings, REDIS_URL)
    client = Client()
    sign_in(client)
    assert is_in(client)
    copied = Client()
    copied.cookies.update(client.cookies)
    assert client.post("/accounts/logout/").status_code == 302
    assert not is_in(copied)
