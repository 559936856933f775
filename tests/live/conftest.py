"""A live portal for all tests of this folder, on one xdist worker; and one on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.live.portal import LivePortal, live_portal
from tests.services import POSTGRES_URL


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/live/" in str(item.path):
            item.add_marker(pytest.mark.xdist_group("live"))


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePortal]:
    """On SQLite."""
    with live_portal(tmp_path_factory.mktemp("live")) as started:
        yield started


@pytest.fixture(scope="module")
def portal_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivePortal]:
    name = f"live_{os.getpid()}"
    url = urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/{name}"))
    with psycopg.connect(POSTGRES_URL, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            with live_portal(tmp_path_factory.mktemp("live"), DATABASE_URL=url) as started:
                yield started
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
