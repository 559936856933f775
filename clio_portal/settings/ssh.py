"""How the portal gets onto the nodes' machines, where nothing more special is set.

The admin site holds the same for the cluster and for single nodes, and so does a file.
"""

from __future__ import annotations

import re
from pathlib import Path

from clio_portal.settings.env import read, wrong
from clio_portal.settings.mode import PORTAL_DATA_DIR

__all__ = [
    "PORTAL_ACCESS_FILE",
    "PORTAL_ACCESS_METHOD",
    "PORTAL_CLIO_RUN",
    "PORTAL_NODE_CONF",
    "PORTAL_NODE_LOG",
    "PORTAL_NODE_STORAGE_ROOT",
    "PORTAL_SSH_HOST_KEYS",
    "PORTAL_SSH_JUMP",
    "PORTAL_SSH_JUMP_KEY_FILE",
    "PORTAL_SSH_KEY_FILE",
    "PORTAL_SSH_KNOWN_HOSTS",
    "PORTAL_SSH_PORT",
    "PORTAL_SSH_USER",
]


def _path(name: str) -> str:
    value = read.text(name)
    if value and not value.startswith("/"):
        raise wrong(name, value, "must be a full path, beginning with /")
    return value


PORTAL_ACCESS_METHOD = read.choice("ACCESS_METHOD", "ssh", ("ssh", "local"))
"""`local`: all nodes run on the portal's own machine, and are run there without SSH."""
PORTAL_ACCESS_FILE = _path("ACCESS_FILE")
PORTAL_CLIO_RUN = _path("CLIO_RUN")
# May hold {node_id}, {host} and {port}.
PORTAL_NODE_CONF = _path("NODE_CONF")
PORTAL_NODE_STORAGE_ROOT = _path("NODE_STORAGE_ROOT")
PORTAL_NODE_LOG = _path("NODE_LOG")

PORTAL_SSH_PORT = read.integer("SSH_PORT", 22, low=1, high=65535)
PORTAL_SSH_USER = read.text("SSH_USER")
PORTAL_SSH_KEY_FILE = read.text("SSH_KEY_FILE")
if PORTAL_SSH_KEY_FILE not in ("", "agent"):
    PORTAL_SSH_KEY_FILE = _path("SSH_KEY_FILE")
PORTAL_SSH_JUMP = read.text("SSH_JUMP")
if PORTAL_SSH_JUMP and not re.fullmatch(
    r"([^@\s:]+@)?([^@\s:\[\]]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?", PORTAL_SSH_JUMP
):
    raise wrong("SSH_JUMP", PORTAL_SSH_JUMP, "must be such as ops@gate.example.org:22")
PORTAL_SSH_JUMP_KEY_FILE = read.text("SSH_JUMP_KEY_FILE")
if PORTAL_SSH_JUMP_KEY_FILE not in ("", "agent"):
    PORTAL_SSH_JUMP_KEY_FILE = _path("SSH_JUMP_KEY_FILE")
PORTAL_SSH_HOST_KEYS = read.choice("SSH_HOST_KEYS", "accept-new", ("accept-new", "strict", "off"))
"""Of machines: keep the key that is seen first; only known ones; do not check."""
PORTAL_SSH_KNOWN_HOSTS = Path(_path("SSH_KNOWN_HOSTS") or PORTAL_DATA_DIR / "known_hosts")
