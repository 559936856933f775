"""What goes into a command on a node and what comes out. The way there is `remote`'s affair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from apps.common.errors import PortalError


class Method(StrEnum):
    SSH = "ssh"
    LOCAL = "local"
    """The node runs on the portal's own machine; no SSH. Only by explicit setting."""


class HostKeyPolicy(StrEnum):
    ACCEPT_NEW = "accept-new"
    STRICT = "strict"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpHost:
    """A machine that the session goes through."""

    host: str
    port: int = 22
    user: str = ""
    key_file: Path | None = None
    """``None``: the agent's keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds for each part of a session; the command's own limit comes with the call."""

    connect_s: float = 5.0
    """Resolving the name and connecting; the key exchange may take as long again."""
    banner_s: float = 5.0
    authentication_s: float = 10.0
    keepalive_s: float = 5.0
    """How often an idle link is asked for a sign of life."""
    silence_s: float = 15.0
    """A link that has not answered for so long is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the portal gets onto one node's machine, and where its runtime is there."""

    name: str
    """The node as sentences call it: ``node 3 (host:9413)``."""
    method: Method
    clio_run: str
    """Full path of `clio_run` on that machine."""
    subcommand: tuple[str, ...] = ()
    """Words between `clio_run` and the action: ``runtime`` before release 2.2."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """``CLIO_SERVER_CONF``, ``CLIO_STORAGE_ROOT`` and what else the runtime needs."""
    log_path: str = "/dev/null"
    """Where a detached start writes, on that machine."""
    host: str = ""
    port: int = 22
    user: str = ""
    key_file: Path | None = None
    """``None``: the agent's keys."""
    jump: JumpHost | None = None
    host_key_policy: HostKeyPolicy = HostKeyPolicy.ACCEPT_NEW
    known_hosts: Path | None = None
    """Read under every policy but ``off``; written under ``accept-new``."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One program to run, as a list: no shell ever sees input as anything but quoted words."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    detached: bool = False
    """Return when it is launched; it outlives the session and writes to `log_path`."""
    log_path: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of output; `number` counts from 1 over both streams of one command."""

    number: int
    stream: Literal["stdout", "stderr"]
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended."""

    exit_code: int | None
    host_key_fingerprint: str
    host_key_new: bool
    duration_s: float
    lines_total: int
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What would be run: the shell-quoted line, on which machine, as whom, by which way."""

    command_line: str
    where: str
    as_whom: str
    via: str
    warnings: tuple[str, ...] = ()
    """Sentences on what is likely to go wrong."""


class RemoteFailure(PortalError):
    """A command did not come to its own end. Subclasses name each way in which that happens."""

    def __init__(
        self,
        message: str,
        code: str = "remote_failure",
        remedy: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, status=502, remedy=remedy, extra=extra)
        self.host_key_fingerprint = ""
        """Of the machine that was reached, also when the session then failed."""
        self.host_key_new = False
        self.command_began: bool | None = False
        """``None``: it may have."""
        self.lines_total = 0
        self.truncated = False
