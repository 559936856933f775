"""People who look at pages, and a fresh cache for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client

from apps.accounts.models import User
from apps.nodes.cache import topology_cache_clear

PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    cache.clear()
    topology_cache_clear()
    yield
    cache.clear()
    topology_cache_clear()


@pytest.fixture
def viewer(db: None) -> User:
    user = User.objects.create_user(username="vera", password=PASSWORD)
    user.groups.add(Group.objects.get_or_create(name="viewer")[0])
    return user


@pytest.fixture
def roleless(db: None) -> User:
    return User.objects.create_user(username="rolf", password=PASSWORD)


@pytest.fixture
def viewer_client(viewer: User) -> Client:
    client = Client()
    client.force_login(viewer)
    return client
