"""A live portal for all tests of this folder, on one xdist worker; and one on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.portal import LivePortal, live_portal
from tests.services import database_made


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/live/" in str(item.path):
            item.add_marker(pytest.mark.xdist_group("live"))


@pytest.fixture(scope="package")  # it would go on polling beside the tests of other folders
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePortal]:
    """On SQLite."""
    with live_portal(tmp_path_factory.mktemp("live")) as started:
        yield started


@pytest.fixture(scope="module")
def portal_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePortal]:
    with (
        database_made("live") as url,
        live_portal(tmp_path_factory.mktemp("live"), DATABASE_URL=url) as started,
    ):
        yield started
