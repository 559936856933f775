"""Control jobs: may they run, what is asked of people, and how long things may take."""

from __future__ import annotations

from clio_portal.settings.env import read, wrong

__all__ = [
    "PORTAL_JOB_LEASE_S",
    "PORTAL_JOB_QUEUE_LIMIT_S",
    "PORTAL_JOB_STORE_LIMIT_S",
    "PORTAL_READ_ONLY",
    "PORTAL_REASON_REQUIRED",
]

PORTAL_READ_ONLY = read.boolean("READ_ONLY", default=False)
"""Nobody can change anything on a node, whatever the role."""
PORTAL_REASON_REQUIRED = read.boolean("REASON_REQUIRED", default=True)
"""People must say why; scripts, which sign in with a token, may."""
PORTAL_JOB_QUEUE_LIMIT_S = read.seconds("JOB_QUEUE_LIMIT_S", 600, low=5, high=24 * 3600)
"""A job that no Celery worker has begun by then is closed: nobody wants a node stopped
hours after the button was pressed."""
PORTAL_JOB_LEASE_S = read.seconds("JOB_LEASE_S", 30, low=2, high=600)
"""How long a Celery worker may be silent before its job is taken for abandoned."""
PORTAL_JOB_STORE_LIMIT_S = read.seconds("JOB_STORE_LIMIT_S", 900, low=1, high=24 * 3600)
"""How long a Celery worker tries to store a result while the database is away."""

if PORTAL_JOB_QUEUE_LIMIT_S < PORTAL_JOB_LEASE_S:
    raise wrong(
        "JOB_QUEUE_LIMIT_S",
        f"{PORTAL_JOB_QUEUE_LIMIT_S:g}",
        f"must not be less than CLIO_PORTAL_JOB_LEASE_S ({PORTAL_JOB_LEASE_S:g})",
    )
