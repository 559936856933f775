"""Find the cluster's configuration file and host list. No database; reads files only.

The configuration file, first found: ``CLIO_SERVER_CONF``, ``~/.clio/clio.yaml``; then names
that runtimes of 2.2 and later don't read any more, accepted but flagged:
``CHI_SERVER_CONF``, ``WRP_RUNTIME_CONF``, ``~/.clio/chimaera.yaml``, ``~/.chimaera/clio.yaml``,
``~/.chimaera/chimaera.yaml``. A variable that names a missing file is an error.

The host list: ``CONTAINER_HOSTFILE``, else ``networking.hostfile``, else one node,
127.0.0.1 at ``networking.port``. A relative ``networking.hostfile`` is taken from the
folder of the configuration file; ``~`` and ``${VARIABLES}`` in it are those of the portal's
environment. Everywhere else in the file ``${VARIABLES}`` stay text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from apps.cluster.files import file_read, text_decode
from apps.cluster.hostfile import hostfile_parse, port_is_valid
from apps.cluster.problems import ConfigProblem
from apps.cluster.secrets import secrets_mask, text_mask
from apps.cluster.yaml_text import YamlProblem, yaml_parse
from apps.runtime.types import DEFAULT_PORT, Target

CONFIG_VARIABLE = "CLIO_SERVER_CONF"
CONFIG_PLACE = ".clio/clio.yaml"
LEGACY_VARIABLES = ("CHI_SERVER_CONF", "WRP_RUNTIME_CONF")
LEGACY_PLACES = (".clio/chimaera.yaml", ".chimaera/clio.yaml", ".chimaera/chimaera.yaml")
HOSTFILE_VARIABLE = "CONTAINER_HOSTFILE"

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)", re.ASCII)

Masked = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What was found. ``problem`` says why something is missing; the rest is still good."""

    path: Path | None = None
    searched: tuple[str, ...] = ()
    legacy: tuple[str, ...] = ()
    config: Masked | None = None
    """Secrets masked. ``None``: no file, or it could not be used."""
    sha256: str = ""
    """Of the configuration file's bytes."""
    hostfile: Path | None = None
    targets: tuple[Target, ...] | None = None
    """``None``: the host list is not known now; keep the one in force."""
    problem: ConfigProblem | None = None


@dataclass(slots=True)
class _Search:
    env: Mapping[str, str]
    home: Path
    searched: list[str] = field(default_factory=list)
    legacy: list[str] = field(default_factory=list)

    def config_path(self) -> Path | None:
        """The first file there is. Raises ConfigProblem when a variable names a missing one."""
        found = self._variable(CONFIG_VARIABLE) or self._place(CONFIG_PLACE)
        if found is not None:
            self.legacy += [
                f"{name} is set, but runtimes of 2.2 and later don't read it; {found} is in force."
                for name in LEGACY_VARIABLES
                if self.env.get(name)
            ]
            return found
        for name in LEGACY_VARIABLES:
            if found := self._variable(name):
                self.legacy.append(
                    f"{name} is an old name: runtimes of 2.2 and later don't read it. "
                    f"Set {CONFIG_VARIABLE} instead."
                )
                return found
        for place in LEGACY_PLACES:
            if found := self._place(place):
                self.legacy.append(
                    f"{found} is an old place: runtimes of 2.2 and later don't read it. "
                    f"Move it to ~/{CONFIG_PLACE}."
                )
                return found
        return None

    def _variable(self, name: str) -> Path | None:
        value = self.env.get(name, "")
        if not value:
            self.searched.append(f"{name} (not set)")
            return None
        path = user_path(value, home=self.home)
        self.searched.append(f"{name}={path}")
        return _must_exist(path, name)

    def _place(self, place: str) -> Path | None:
        path = self.home / place
        self.searched.append(str(path))
        return path if path.is_file() else None


def _must_exist(path: Path, variable: str) -> Path:
    if path.is_file():
        return path
    what = "is a directory" if path.is_dir() else "does not exist"
    raise ConfigProblem(
        f"{variable} names {path}, which {what}.",
        code="named_file_missing",
        path=str(path),
        remedy=f"Correct {variable}, or unset it to use the default.",
    )


def user_path(text: str, *, home: Path) -> Path:
    """An absolute path; ``~`` is `home`, and a relative one starts at the working directory."""
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    return Path(text).absolute()


def discover(env: Mapping[str, str], *, home: Path) -> Discovery:
    """Look for the configuration and the host list. Never raises for what a file holds."""
    search = _Search(env, home)
    found = Discovery()
    try:
        path = search.config_path()
        if path is not None:
            found = replace(found, path=path)
            data = file_read(path)
            found = replace(found, sha256=hashlib.sha256(data).hexdigest())
            raw = config_parse(text_decode(data, path=path), path=path)
            found = replace(found, config=secrets_mask(raw))
        else:
            raw = {}
        found = _with_targets(found, raw, env=env, home=home, flag=search.legacy.append)
    except ConfigProblem as problem:
        found = replace(found, problem=problem, path=found.path or _named(problem))
    return replace(found, searched=tuple(search.searched), legacy=tuple(search.legacy))


def _named(problem: ConfigProblem) -> Path | None:
    return Path(problem.path) if problem.path else None


def config_parse(text: str, *, path: Path) -> dict[str, Any]:
    """The file's mapping, secrets not masked. Raises ConfigProblem with line and column."""
    try:
        value = yaml_parse(text)
    except YamlProblem as problem:
        where = f", line {problem.line}, column {problem.column}" if problem.line else ""
        raise ConfigProblem(
            f"{path}{where}: {text_mask(problem.reason)}.",
            code="malformed_yaml",
            path=str(path),
            line=problem.line,
            column=problem.column,
            remedy="Correct the file; until then the last good version stays in force.",
        ) from problem
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigProblem(
            f"{path} holds no mapping at its top level.",
            code="not_a_mapping",
            path=str(path),
            line=1,
            column=1,
            remedy="A configuration is made of sections such as networking: and compose:.",
        )
    return value


def _with_targets(
    found: Discovery,
    raw: Mapping[str, Any],
    *,
    env: Mapping[str, str],
    home: Path,
    flag: Callable[[str], None],
) -> Discovery:
    place = str(found.path) if found.path else "the defaults"
    networking = raw.get("networking")
    if networking is None:
        networking = {}
    if not isinstance(networking, dict):
        raise _bad_value(place, "networking", "must be a mapping")
    port = _default_port(networking.get("port"), place)
    hostfile = _hostfile_path(networking.get("hostfile"), found.path, env=env, home=home)
    if hostfile is None:
        return replace(found, targets=(Target(node_id=0, host="127.0.0.1", port=port),))
    found = replace(found, hostfile=hostfile)
    hosts_text = text_decode(file_read(hostfile), path=hostfile)
    try:
        hosts = hostfile_parse(hosts_text, path=hostfile, default_port=port)
    except ConfigProblem as problem:
        return replace(found, problem=problem)
    if hosts.comment_lines:
        lines = ", ".join(str(number) for number in hosts.comment_lines[:10])
        flag(
            f"{hostfile} has comments (line {lines}). A runtime takes such a line for a node and "
            "counts it, so the nodes after it have higher ids. Remove the comments."
        )
    return replace(found, targets=hosts.targets)


def _default_port(value: Any, place: str) -> int:
    if value is None:
        return DEFAULT_PORT
    number = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not port_is_valid(number):
        raise _bad_value(place, "networking.port", "must be a port number from 1 to 65532")
    return number


def _hostfile_path(
    value: Any, config_path: Path | None, *, env: Mapping[str, str], home: Path
) -> Path | None:
    if named := env.get(HOSTFILE_VARIABLE):
        return _must_exist(user_path(named, home=home), HOSTFILE_VARIABLE)
    if value is None or value == "":
        return None
    place = str(config_path)
    if not isinstance(value, str):
        raise _bad_value(place, "networking.hostfile", "must be the path of a file")
    text = _expand(value, env=env, place=place)
    if text == "~" or text.startswith("~/"):
        path = home / text[2:]
    else:
        path = (config_path.parent if config_path else Path.cwd()) / text
    return _must_exist(path, f"networking.hostfile of {place}")


def _expand(text: str, *, env: Mapping[str, str], place: str) -> str:
    def value_of(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in env:
            what = f"uses ${{{name}}}, which is not set in the portal's environment"
            raise _bad_value(place, "networking.hostfile", what)
        return env[name]

    return _VARIABLE.sub(value_of, text)


def _bad_value(place: str, key: str, what: str) -> ConfigProblem:
    return ConfigProblem(
        f"{place}: {key} {what}.",
        code="bad_value",
        path=place if place.startswith("/") else "",
        remedy=f"Correct {key} in the file.",
    )
