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
    loaded: dict[str, Any] = yaml.safe_load(SCHEMA_PATH.read_text())
    return loaded


def operation(path: str) -> dict[str, Any]:
    """The GET operation of a path, its parameters filled in."""
    bare = path.partition("?")[0].rstrip("/")
    for template, methods in schema()["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, bare):
            found: dict[str, Any] = methods["get"]
            return found
    raise AssertionError(f"The schema has no path for {path}.")


def shape_check(path: str, status: int, body: Any) -> None:
    """Fail when the schema does not promise this status, or not this body."""
    answers = operation(path)["responses"]
    assert str(status) in answers, f"GET {path} answered {status}: {body}"
    shape = answers[str(status)]["content"]["application/json"]["schema"]
    whole = {**shape, "components": schema()["components"]}
    checker = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    problems = [f"{error.instance_path}: {error.message}" for error in checker.iter_errors(body)]
    assert not problems, f"GET {path} {status}: {problems}"
