"""What can be set about the way to a node, on each of the levels that may set it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from apps.cluster.secrets import key_is_secret
from apps.control.remote.types import HostKeyPolicy, Method

AGENT = "agent"
"""As a key file: the keys of the SSH agent."""
NONE = "none"
"""As a jump host: none, although the cluster has one."""
JUMP = re.compile(
    r"(?:(?P<user>[^@\s:]+)@)?(?P<host>[^@\s:\[\]]+|\[[0-9a-fA-F:]+\])(?::(?P<port>\d{1,5}))?"
)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[^\s@/\[\]-][^\s@/\[\]]*")
_USER = re.compile(r"[^\s@:-][^\s@:]*")
_PATHS = ("clio_run", "server_conf", "storage_root", "log_path")
_KEYS = ("key_file", "jump_key_file")
_FILLED = (*_PATHS, "address")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPart:
    """One level's settings. Empty or None: what the level below says."""

    method: str = ""
    address: str = ""
    """Of the machine, for SSH; empty: the node's host in the host list."""
    port: int | None = None
    user: str = ""
    key_file: str = ""
    """Full path of a private key on the portal's machine, or ``agent``."""
    jump: str = ""
    """``user@host:port``, or ``none``."""
    jump_key_file: str = ""
    host_keys: str = ""
    clio_run: str = ""
    server_conf: str = ""
    storage_root: str = ""
    log_path: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


PART_FIELDS = tuple(each.name for each in fields(AccessPart))


def parts_merge(parts: Iterable[AccessPart]) -> AccessPart:
    """Later parts win, field by field; the environment by variable."""
    merged: dict[str, object] = {}
    environment: dict[str, str] = {}
    for part in parts:
        environment |= part.environment
        for name in PART_FIELDS:
            value = getattr(part, name)
            if name != "environment" and value not in ("", None):
                merged[name] = value
    return AccessPart(**merged, environment=environment)  # type: ignore[arg-type]


def part_fill(part: AccessPart, *, node_id: int, host: str, port: int) -> AccessPart:
    """``{node_id}``, ``{host}`` and ``{port}`` in paths, address and environment replaced."""
    words = {"{node_id}": str(node_id), "{host}": host, "{port}": str(port)}

    def filled(text: str) -> str:
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    values = {name: getattr(part, name) for name in PART_FIELDS}
    values |= {name: filled(values[name]) for name in _FILLED}
    values["environment"] = {name: filled(text) for name, text in part.environment.items()}
    return AccessPart(**values)


def part_problems(part: AccessPart) -> dict[str, str]:
    """Field → sentence on what is wrong with it; empty when all is well."""
    problems = {}
    if part.method not in ("", *Method):
        problems["method"] = f"{part.method!r} must be ssh or local."
    if part.address and not _HOST.fullmatch(part.address):
        problems["address"] = f"{part.address!r} is no name or address of a machine."
    if part.port is not None and not 1 <= part.port <= 65535:
        problems["port"] = f"{part.port} must be from 1 to 65535."
    if part.user and not _USER.fullmatch(part.user):
        problems["user"] = f"{part.user!r} is no user name."
    jump = JUMP.fullmatch(part.jump)
    if part.jump not in ("", NONE) and (
        not jump or jump["host"].startswith("-") or not 1 <= int(jump["port"] or 22) <= 65535
    ):
        problems["jump"] = f"{part.jump!r} must be such as ops@gate.example.org:22, or none."
    if part.host_keys not in ("", *HostKeyPolicy):
        problems["host_keys"] = f"{part.host_keys!r} must be accept-new, strict or off."
    for name in _KEYS:
        value = getattr(part, name)
        if "PRIVATE KEY" in value:
            problems[name] = "Name the key's file here; the key itself must not be stored."
        elif value not in ("", AGENT) and not _is_full_path(value):
            problems[name] = f"{value!r} must be a full path on the portal's machine, or agent."
    for name in _PATHS:
        value = getattr(part, name)
        if value and not _is_full_path(value):
            problems[name] = f"{value!r} must be a full path on the node's machine."
    environment = _environment_problem(part.environment)
    if environment:
        problems["environment"] = environment
    return problems


def _environment_problem(environment: Mapping[Any, Any]) -> str:
    for name, value in environment.items():
        if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
            return f"{name!r} can't be the name of an environment variable."
        if not isinstance(value, str):
            return f"The value of {name} must be text."
        if not value.isprintable():
            return f"The value of {name} holds control characters."
        if name.startswith("CLIO_PORTAL_"):
            return f"{name} is a setting of the portal, not of a runtime."
        if key_is_secret(name):
            return (
                f"{name} looks like a secret. It would be stored, and seen by everybody on the "
                "node while a command runs: put it into a file there."
            )
    return ""


def _is_full_path(text: str) -> bool:
    return text.startswith("/") and text.isprintable() and len(text) <= 1024
