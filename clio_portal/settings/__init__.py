"""CLIO Portal's settings: one small file per concern, all values from `env.read`."""

# ruff: noqa: F403
import django_stubs_ext

from clio_portal.settings.api import *
from clio_portal.settings.apps import *
from clio_portal.settings.audit import *
from clio_portal.settings.auth import *
from clio_portal.settings.celery import *
from clio_portal.settings.control import *
from clio_portal.settings.deployment import *
from clio_portal.settings.env import read
from clio_portal.settings.history import *
from clio_portal.settings.logs import *
from clio_portal.settings.mode import *
from clio_portal.settings.portal import *
from clio_portal.settings.security import *
from clio_portal.settings.ssh import *
from clio_portal.settings.sso import *
from clio_portal.settings.sso import PORTAL_SSO_LIBRARIES
from clio_portal.settings.storage import *

# Lets classes such as ModelAdmin[Node] carry their type parameter at run time, too.
django_stubs_ext.monkeypatch()

globals().update(PORTAL_SSO_LIBRARIES)

_OF_THE_CLIENT = ("CLIO_PORTAL_URL", "CLIO_PORTAL_TOKEN", "CLIO_PORTAL_TOKEN_FILE")
PORTAL_UNKNOWN_VARIABLES = {
    name: meant for name, meant in read.unknown().items() if name not in _OF_THE_CLIENT
}
"""Variables with the portal's prefix that no setting reads; a system check warns of them."""
