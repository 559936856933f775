"""The cluster's host list, read as the runtime reads it.

One ``host`` or ``host:port`` a line; an IPv6 address with a port in brackets. The node
id is the line's index, blank lines not counted. A line that begins with ``#`` is no node,
but it takes an id: releases 2.0, 2.2 and 2.3 take it for a host name, and number the lines
after it accordingly. A portal that numbered them otherwise would call every node by its
neighbour's id.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from apps.cluster.problems import ConfigProblem
from apps.runtime.types import Target

MAX_NODES = 65_536
MAX_CLIENT_OFFSET = 3
"""A runtime listens up to this many ports above its own."""

_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
    r"(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?",
    re.ASCII,
)
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::(.*))?", re.DOTALL)
_REMEDY = "Write one host or host:port a line, nothing else, as the runtimes need it too."


@dataclass(frozen=True, slots=True)
class HostList:
    targets: tuple[Target, ...]
    comment_lines: tuple[int, ...]
    """Lines that begin with ``#``, from 1: each takes a node id."""


class _Line:
    """One line of the file, for errors that name it."""

    def __init__(self, path: Path, number: int, text: str) -> None:
        self.path = path
        self.number = number
        self.text = text

    def problem(self, what: str) -> ConfigProblem:
        return ConfigProblem(
            f"{self.path}, line {self.number}: {self.text[:80]!r} {what}.",
            code="bad_host_line",
            path=str(self.path),
            line=self.number,
            remedy=_REMEDY,
        )


def hostfile_parse(text: str, *, path: Path, default_port: int) -> HostList:
    """Raises ConfigProblem for a bad line, a duplicate, and a file without any host."""
    targets: list[Target] = []
    comments: list[int] = []
    seen: dict[tuple[str, int], int] = {}
    node_id = 0
    for number, raw in enumerate(text.split("\n"), start=1):
        stripped = raw.strip()
        if not stripped:
            continue
        if stripped.startswith("#"):
            comments.append(number)
        else:
            line = _Line(path, number, stripped)
            host, port = _address(line, default_port)
            first = seen.setdefault((host, port), number)
            if first != number:
                raise line.problem(f"is on line {first} already")
            targets.append(Target(node_id=node_id, host=host, port=port))
        node_id += 1
        if node_id > MAX_NODES:
            raise _Line(path, number, stripped).problem(f"is more than {MAX_NODES} lines in")
    if not targets:
        raise ConfigProblem(
            f"{path} names no host.", code="no_hosts", path=str(path), remedy=_REMEDY
        )
    return HostList(tuple(targets), tuple(comments))


def _address(line: _Line, default_port: int) -> tuple[str, int]:
    if bracketed := _BRACKETED.fullmatch(line.text):
        return _ipv6(line, bracketed[1]), _port(line, bracketed[2], default_port)
    if line.text.count(":") > 1:
        return _ipv6(line, line.text), default_port
    host, colon, port = line.text.partition(":")
    if not _NAME.fullmatch(host):
        raise line.problem("has no valid host name or address")
    if re.fullmatch(r"[\d.]+", host):
        host = _ipv4(line, host)
    return host.lower().rstrip("."), _port(line, port if colon else None, default_port)


def _ipv4(line: _Line, host: str) -> str:
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError as error:
        raise line.problem("is no valid IPv4 address") from error


def _ipv6(line: _Line, host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError as error:
        raise line.problem(
            "is no valid IPv6 address; with a port, write it as [address]:port"
        ) from error


def _port(line: _Line, text: str | None, default_port: int) -> int:
    if text is None:
        return default_port
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not port_is_valid(int(text)):
        raise line.problem(f"has no port from 1 to {65535 - MAX_CLIENT_OFFSET} after the colon")
    return int(text)


def port_is_valid(port: int) -> bool:
    """Does it leave room for the client port above it?"""
    return 1 <= port <= 65535 - MAX_CLIENT_OFFSET
