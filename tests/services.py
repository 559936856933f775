"""Where the tests' PostgreSQL and Redis are, and whether they answer."""

import functools
import os
import socket
from urllib.parse import urlsplit

POSTGRES_URL = os.environ.get(
    "CLIO_PORTAL_TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres"
)
REDIS_URL = os.environ.get("CLIO_PORTAL_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
CONNECT_TIMEOUT_S = 2.0


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
