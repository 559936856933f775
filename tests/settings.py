"""The portal's settings in test mode: fast password hashes, tasks run in place, own data."""

# ruff: noqa: F403
import os

_given = os.environ.get("CLIO_PORTAL_MODE")
os.environ["CLIO_PORTAL_MODE"] = "test"

from clio_portal.settings import *  # noqa: E402

# What tests start as processes of their own is the real thing, not in test mode.
os.environ["DJANGO_SETTINGS_MODULE"] = "clio_portal.settings"
if _given is None:
    del os.environ["CLIO_PORTAL_MODE"]
else:
    os.environ["CLIO_PORTAL_MODE"] = _given

# What one test stored, the next would read from the process's memory.
PORTAL_LIVE_CACHE_S = 0.0
