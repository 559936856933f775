from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache

from apps.accounts.models import User
from apps.accounts.roles import Role
from tests.accounts.people import person_make


@pytest.fixture
def person(db: None) -> Callable[[Role | None], User]:
    return person_make


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    """It remembers what was noted once: the next test must not find that."""
    cache.clear()
