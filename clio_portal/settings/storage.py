"""Database, cache, sessions."""

from __future__ import annotations

from typing import Any

from clio_portal.settings.env import read
from clio_portal.settings.mode import PORTAL_DATA_DIR, PORTAL_MODE

__all__ = ["CACHES", "DATABASES", "PORTAL_REDIS_URL", "SESSION_CACHE_ALIAS", "SESSION_ENGINE"]

SQLITE_BUSY_S = 20
REDIS_S = 2
"""How long a page waits for Redis."""
POSTGRES_OPTIONS = {
    # A process that is stopped in the middle of a transaction must not hold up the others.
    "options": "-c idle_in_transaction_session_timeout=30s",
    "connect_timeout": 5,
}


def _database() -> dict[str, Any]:
    config = read.database("DATABASE_URL", f"sqlite:///{PORTAL_DATA_DIR / 'portal.sqlite3'}")
    if config["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE: a transaction that reads first and then writes would otherwise fail
        # at once with "database is locked" instead of waiting for its turn.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": SQLITE_BUSY_S,
            "init_command": (
                "PRAGMA journal_mode=WAL;"
                "PRAGMA synchronous=NORMAL;"
                "PRAGMA temp_store=MEMORY;"
                "PRAGMA mmap_size=33554432;"
                "PRAGMA journal_size_limit=67108864;"
                "PRAGMA cache_size=-8000;"
            ),
        }
        config["CONN_MAX_AGE"] = None
    else:
        config["CONN_MAX_AGE"] = 300
        config["CONN_HEALTH_CHECKS"] = True
        config["OPTIONS"] = POSTGRES_OPTIONS | config.get("OPTIONS", {})
    return config


PORTAL_REDIS_URL = read.redis_url("REDIS_URL")
DATABASES = {"default": _database()}
CACHES: dict[str, dict[str, Any]] = {
    "default": (
        {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": PORTAL_REDIS_URL,
            "KEY_PREFIX": "clio_portal",
            "OPTIONS": {"socket_timeout": REDIS_S, "socket_connect_timeout": REDIS_S},
        }
        if PORTAL_REDIS_URL
        else {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 2000},
        }
    )
}
# Of what can be had elsewhere: without Redis it is empty, and pages are as right as before.
CACHES["live"] = CACHES["default"] | (
    {"BACKEND": "apps.common.cache.ForgivingRedisCache"} if PORTAL_REDIS_URL else {}
)
# For each process alone, where Redis would be asked if it were there.
CACHES["process"] = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "LOCATION": "process",
    "OPTIONS": {"MAX_ENTRIES": 2000},
}
# What the portal's processes let each other know; few entries, seconds apart.
CACHES["signs"] = (
    {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(PORTAL_DATA_DIR / "signs"),
    }
    if PORTAL_MODE == "single" and not PORTAL_REDIS_URL
    else CACHES["default"]
)
CACHES["sessions"] = CACHES["default"] | (
    {"BACKEND": "apps.common.cache.SessionRedisCache"} if PORTAL_REDIS_URL else {}
)
SESSION_CACHE_ALIAS = "sessions"
# A cached session must end everywhere at the moment of signing out: so the cache is only
# used where all web processes share it (Redis), or where there is one (single mode).
SESSION_ENGINE = (
    "django.contrib.sessions.backends.cached_db"
    if PORTAL_REDIS_URL or PORTAL_MODE == "single"
    else "django.contrib.sessions.backends.db"
)
