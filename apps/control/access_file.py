"""The file that says how to get onto the nodes' machines (CLIO_PORTAL_ACCESS_FILE).

    defaults:
      user: clio
      key_file: /etc/clio-portal/id_ed25519
      clio_run: /opt/clio/bin/clio_run
    nodes:
      3: {address: 10.1.0.3, port: 2222}
      "node7:9413": {method: local}

A node is named by its id, by its host, or by host:port; the last of these wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.cluster.yaml_text import YamlProblem, yaml_parse
from apps.control.access_parts import PART_FIELDS, AccessPart, part_problems
from apps.control.remote.types import RemoteFailure

MAX_BYTES = 1_000_000
SECTIONS = ("defaults", "nodes")


class AccessFileWrong(RemoteFailure):
    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"The access file {path} can't be used: {what}",
            code="access_file_wrong",
            remedy="Correct the file that CLIO_PORTAL_ACCESS_FILE names; it is read for each job.",
        )


@dataclass(frozen=True, slots=True)
class AccessFile:
    defaults: AccessPart = field(default_factory=AccessPart)
    nodes: Mapping[str, AccessPart] = field(default_factory=dict)

    def parts_of(self, *, node_id: int | None, host: str, port: int) -> list[AccessPart]:
        """The node's own parts, the more special one last."""
        names = (host, "" if node_id is None else str(node_id), f"{host}:{port}")
        return [self.nodes[name] for name in names if name in self.nodes]


def access_file_read(path: Path) -> AccessFile:
    """Raises AccessFileWrong, which names the place in the file."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise AccessFileWrong(path, f"{error.strerror or error}.") from error
    if len(raw) > MAX_BYTES:
        raise AccessFileWrong(path, f"it is larger than {MAX_BYTES} bytes.")
    try:
        content = yaml_parse(raw.decode())
    except UnicodeDecodeError as error:
        raise AccessFileWrong(path, "it is no UTF-8 text.") from error
    except YamlProblem as problem:
        place = "" if problem.line is None else f" (line {problem.line})"
        raise AccessFileWrong(path, f"{problem.reason}{place}.") from problem
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise AccessFileWrong(path, "it must hold the sections defaults and nodes.")
    for name in content:
        if name not in SECTIONS:
            raise AccessFileWrong(path, f"there is no section {name!r}, only defaults and nodes.")
    nodes = content.get("nodes") or {}
    if not isinstance(nodes, dict):
        raise AccessFileWrong(path, "nodes must map a node's id or host:port to its settings.")
    return AccessFile(
        defaults=_part(path, "defaults", content.get("defaults")),
        nodes={str(name): _part(path, f"nodes: {name}", value) for name, value in nodes.items()},
    )


def _part(path: Path, where: str, value: Any) -> AccessPart:
    if value is None:
        return AccessPart()
    if not isinstance(value, dict):
        raise AccessFileWrong(path, f"{where} must map names to values.")
    for name in value:
        if name not in PART_FIELDS:
            raise AccessFileWrong(
                path, f"{where} has {name!r}; known are {', '.join(PART_FIELDS)}."
            )
    values = {name: _value(path, where, name, item) for name, item in value.items()}
    part = AccessPart(**values)
    for name, problem in part_problems(part).items():
        raise AccessFileWrong(path, f"{where}, {name}: {problem}")
    return part


def _value(path: Path, where: str, name: str, value: Any) -> Any:
    if name == "environment":
        if not isinstance(value, dict):
            raise AccessFileWrong(path, f"{where}, environment must map names to texts.")
        # An unquoted 5 is meant as the text "5"; a bare yes or a list is not.
        return {
            str(key): str(item)
            if isinstance(item, int | float) and item not in (True, False)
            else item
            for key, item in value.items()
        }
    if name == "port" and (isinstance(value, bool) or not isinstance(value, int)):
        raise AccessFileWrong(path, f"{where}, port: {value!r} must be a whole number.")
    if name != "port" and not isinstance(value, str):
        if name == "host_keys" and value is False:
            return "off"  # YAML reads a bare off as false
        raise AccessFileWrong(path, f"{where}, {name}: {value!r} must be text.")
    return value
