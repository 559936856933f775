"""A token that was read a moment ago is believed, for reading; never longer than it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiToken, User
from apps.accounts.recent_tokens import MOST, recent_token, recent_tokens_forget
from apps.accounts.roles import Role
from apps.accounts.services import token_create, token_revoke
from apps.accounts.services.accounts import account_access_set, account_role_set
from apps.audit.services import Actor
from apps.common.time import utc_now

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.accounts.test_tokens")]

KEEP_S = 3600.0
"""No test may depend on how fast it runs."""
BOSS = Actor(None, "boss")


@pytest.fixture(autouse=True)
def _kept(settings: Any) -> Iterator[None]:
    settings.PORTAL_LIVE_CACHE_S = KEEP_S
    recent_tokens_forget()
    yield
    recent_tokens_forget()


@pytest.fixture
def viewer(person: Callable[[Role | None], User]) -> User:
    return person(Role.VIEWER)


@pytest.fixture
def secret(viewer: User) -> str:
    return token_create(user=viewer, name="t")[1]


def status(secret: str, *, method: str = "get") -> int:
    call = getattr(Client(), method)
    answer = call("/api/thing", headers={"Authorization": f"Token {secret}"})
    return int(answer.status_code)


def test_reading_again_costs_no_query(secret: str, django_assert_num_queries: Any) -> None:
    assert status(secret) == 200
    with django_assert_num_queries(0):
        assert status(secret) == 200


def test_what_changes_something_looks_its_token_up(
    viewer: User, django_assert_num_queries: Any
) -> None:
    _, secret = token_create(user=viewer, name="t", scope=ApiToken.Scope.OPERATE)
    assert status(secret) == 200
    with django_assert_num_queries(2):  # the token with its owner, and the permissions
        assert status(secret, method="post") == 200


@pytest.mark.parametrize("ends", ["revoked", "inactive", "role"])
def test_it_ends_with_the_next_request(
    ends: str, viewer: User, django_capture_on_commit_callbacks: Any
) -> None:
    token, secret = token_create(user=viewer, name="t")
    assert status(secret) == 200
    with django_capture_on_commit_callbacks(execute=True):
        match ends:
            case "revoked":
                token_revoke(token, actor=BOSS)
            case "inactive":
                account_access_set(viewer, active=False, actor=BOSS, at=utc_now())
            case _:
                account_role_set(viewer, role=None, actor=BOSS, at=utc_now())
    assert status(secret) == (403 if ends == "role" else 401)


def test_it_is_read_again_after_its_time(
    secret: str, settings: Any, django_assert_num_queries: Any
) -> None:
    assert status(secret) == 200
    settings.PORTAL_LIVE_CACHE_S = 0.0
    with django_assert_num_queries(2):
        assert status(secret) == 200


def test_a_clock_that_was_set_back_makes_it_read_again(viewer: User) -> None:
    token, secret = token_create(user=viewer, name="t")
    asked: list[str] = []

    def find(given: str) -> Any:
        asked.append(given)
        return token

    now = utc_now()
    for at in (now, now + timedelta(seconds=1), now - timedelta(hours=1)):
        read = recent_token(secret, find, at=at)
        assert read is not None
        assert read[1] is token
    assert len(asked) == 2


def test_guessed_tokens_are_not_kept(viewer: User) -> None:
    token, _ = token_create(user=viewer, name="t")
    asked: list[str] = []

    def find(given: str) -> Any:
        asked.append(given)
        return token if given.startswith("good") else None

    now = utc_now()
    for _ in range(2):
        assert recent_token("bad", find, at=now) is None
    for number in range(MOST + 1):
        recent_token(f"good{number}", find, at=now)
    recent_token("good0", find, at=now)
    assert asked.count("bad") == 2
    assert asked.count("good0") == 2
