"""A cast of people, a clock that stands still, and answers checked against the schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.services import account_save, token_create
from apps.nodes.cache import topology_cache_clear
from tests.api.schema import shape_check
from tests.factories import AT

Get = Callable[..., Any]


@pytest.fixture(autouse=True)
def clock(settings: Settings) -> Iterator[time_machine.Traveller]:
    """It is `AT`; nothing is kept from one request to the next."""
    settings.PORTAL_LIVE_CACHE_S = 0.0
    # Nobody signs in by password here; a slow hash for each person would cost a minute.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    topology_cache_clear()
    with time_machine.travel(AT, tick=False) as traveller:
        yield traveller
    topology_cache_clear()


def person(role: Role) -> User:
    name = f"{role.value}-of-tests"
    user, _ = account_save(username=name, role=role, password="long enough to pass", at=AT)
    return user


@pytest.fixture
def viewer(db: None) -> User:
    return person(Role.VIEWER)


def token_client(user: User, **token: Any) -> Client:
    _, secret = token_create(user=user, name="tests", scope=ApiToken.Scope.READ, **token)
    return Client(headers={"authorization": f"Token {secret}"})


@pytest.fixture
def client(viewer: User) -> Client:
    """A script with a viewer's token."""
    return token_client(viewer)


@pytest.fixture
def get(client: Client) -> Get:
    """GET as a script of a viewer; every answer is held to the schema."""

    def get(path: str, **extra: Any) -> Any:
        response = client.get(path, **extra)
        assert response["Content-Type"] == "application/json"
        shape_check(path, response.status_code, response.json())
        return response

    return get
