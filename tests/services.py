"""Where the tests find PostgreSQL, Redis and the browser; and databases for a test."""

import functools
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

POSTGRES_URL = os.environ.get(
    "CLIO_PORTAL_TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"
)
REDIS_URL = os.environ.get("CLIO_PORTAL_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
CONNECT_TIMEOUT_S = 2.0
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""The shell is the same engine without a browser's own windows: half the processor time."""

# Nothing in the tests' databases outlives the tests: no commit waits for the disk, in this
# process and in those that it starts.
os.environ.setdefault("PGOPTIONS", "-c synchronous_commit=off")


@functools.cache
def service_is_reachable(url: str) -> bool:
    """Whether something accepts connections at the URL's host and port."""
    where = urlsplit(url)
    if where.hostname is None or where.port is None:
        raise ValueError(f"{url!r} must name a host and a port.")
    try:
        socket.create_connection((where.hostname, where.port), timeout=CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True


@contextmanager
def database_made(purpose: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this process's own; it is dropped at the end."""
    name = f"{purpose}_{os.getpid()}"
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(POSTGRES_URL, autocommit=True) as server:
        server.execute(drop)  # of a process of the same number that was killed
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(POSTGRES_URL)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(drop)
