"""Too many requests in a minute are refused, by token, by user, and apart for changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisDown

from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.services import token_create
from tests.accounts.people import person_make
from tests.factories import AT

pytestmark = pytest.mark.django_db
ADDRESS = "/api/history/metrics"
"""Needs no cluster."""


@pytest.fixture(autouse=True)
def clock(settings: Settings) -> Iterator[time_machine.Traveller]:
    cache.clear()
    settings.PORTAL_RATE_TOKEN = 3
    settings.PORTAL_RATE_USER = 5
    settings.PORTAL_RATE_CHANGES = 2
    with time_machine.travel(AT, tick=False) as traveller:
        yield traveller
    cache.clear()


@pytest.fixture
def user() -> User:
    return person_make(Role.OPERATOR)


def script(user: User, name: str = "one") -> Client:
    _, secret = token_create(user=user, name=name, scope=ApiToken.Scope.OPERATE)
    return Client(headers={"authorization": f"Token {secret}"})


def statuses(client: Client, count: int) -> list[int]:
    return [client.get(ADDRESS).status_code for _ in range(count)]


def test_a_token_has_a_count_of_its_own(user: User) -> None:
    first, second = script(user), script(user, "two")
    assert statuses(first, 4) == [200, 200, 200, 429]
    assert statuses(second, 1) == [200]


def test_all_tokens_and_sessions_of_a_user_count_together(user: User) -> None:
    first, second, browser = script(user), script(user, "two"), Client()
    browser.force_login(user, "apps.accounts.backends.PortalBackend")
    assert statuses(first, 3) + statuses(second, 2) == [200] * 5
    assert statuses(browser, 1) == [429]
    assert statuses(script(person_make(Role.VIEWER)), 1) == [200]


def test_the_refusal_says_when_to_come_again(user: User, clock: time_machine.Traveller) -> None:
    client = script(user)
    clock.move_to(AT.replace(second=12))
    statuses(client, 3)
    answer = client.get(ADDRESS)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "48"
    body = answer.json()
    assert (body["code"], body["retry_after_s"]) == ("throttled", 48)
    assert "48 s" in body["remedy"]
    clock.move_to(AT.replace(minute=AT.minute + 1, second=0))
    assert statuses(client, 1) == [200]


def test_changes_are_counted_apart(user: User, settings: Settings) -> None:
    settings.PORTAL_RATE_TOKEN = settings.PORTAL_RATE_USER = 0
    client = script(user)
    found = [client.post("/api/jobs/1/cancel").status_code for _ in range(3)]
    assert found == [404, 404, 429]
    assert statuses(client, 1) == [200]


def test_nothing_is_refused_while_the_counts_are_away(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any, **kwargs: Any) -> int:
        raise RedisDown("connection refused")

    client = script(user)
    monkeypatch.setattr("apps.common.throttling.cache.incr", away)
    assert statuses(client, 5) == [200] * 5


def test_limits_are_on_unless_a_site_says_otherwise(tmp_path: Any) -> None:
    from tests.platform.process import settings_of

    found = settings_of({}, tmp_path, "PORTAL_RATE_TOKEN", "PORTAL_RATE_USER")
    assert 0 < found["PORTAL_RATE_TOKEN"] <= found["PORTAL_RATE_USER"]
