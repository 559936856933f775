from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.accounts.models import User
from apps.accounts.roles import Role
from tests.accounts.people import person_make


@pytest.fixture
def person(db: None) -> Callable[[Role | None], User]:
    return person_make
