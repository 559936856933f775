"""Where the portal stands in a site: below which path, and how its health is watched."""

from __future__ import annotations

import re

from clio_portal.settings.env import read, wrong

__all__ = ["FORCE_SCRIPT_NAME", "PORTAL_ALIVE_FILE", "PORTAL_SUB_PATH"]

PORTAL_SUB_PATH = read.text("SUB_PATH").rstrip("/")
"""Such as ``/clio`` when people reach the portal at https://hpc.example.org/clio/; else empty."""
if PORTAL_SUB_PATH and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", PORTAL_SUB_PATH):
    raise wrong("SUB_PATH", read.text("SUB_PATH"), "must be a path such as /clio")
FORCE_SCRIPT_NAME = PORTAL_SUB_PATH or None

PORTAL_ALIVE_FILE = read.text("ALIVE_FILE")
"""What Celery beat and a Celery worker touch every few seconds while they work; empty: nothing."""
if PORTAL_ALIVE_FILE and not PORTAL_ALIVE_FILE.startswith("/"):
    raise wrong("ALIVE_FILE", PORTAL_ALIVE_FILE, "must be a full path, beginning with /")
