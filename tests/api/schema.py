"""Hold an answer to the committed schema."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "openapi.yaml"


@cache
def schema() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: dict[str, Any] = yaml.load(SCHEMA_PATH.read_text(), Loader=loader)  # noqa: S506
    return loaded


def operation(path: str, method: str = "GET") -> dict[str, Any]:
    """The operation of a path, its parameters filled in."""
    bare = path.partition("?")[0].rstrip("/")
    paths = schema()["paths"].items()
    # A path of its own goes before one that has a parameter at its place.
    for template, methods in sorted(paths, key=lambda item: item[0].count("{")):
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, bare) and method.lower() in methods:
            found: dict[str, Any] = methods[method.lower()]
            return found
    raise AssertionError(f"The schema has no {method} for {path}.")


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the schema, or what it refers to."""
    while "$ref" in part:
        names = part["$ref"].removeprefix("#/").split("/")
        part = schema()
        for name in names:
            part = part[name]
    return part


def shape_check(path: str, status: int, body: Any, method: str = "GET") -> None:
    """Fail when the schema does not promise this status, or not this body."""
    answers = operation(path, method)["responses"]
    assert str(status) in answers, f"{method} {path} answered {status}: {body}"
    answer = resolved(answers[str(status)])
    shape = answer["content"]["application/json"]["schema"]
    whole = {**shape, "components": schema()["components"]}
    checker = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    problems = [f"{error.instance_path}: {error.message}" for error in checker.iter_errors(body)]
    assert not problems, f"{method} {path} {status}: {problems}"
