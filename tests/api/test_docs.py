"""docs/api.md has every route, every error, and examples of the real shape."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.api.schema import schema, shape_check

DOCS = Path(__file__).parents[2] / "docs"
TEXT = "".join((DOCS / name).read_text() for name in ("api.md", "control.md"))
SECTIONS = re.split(r"^## (?:GET|POST|PUT|DELETE) ", TEXT, flags=re.MULTILINE)[1:]
EXAMPLES = [
    (section.partition("\n")[0].replace("&lt;id&gt;", "0"), json.loads(block))
    for section in SECTIONS
    for block in re.findall(r"(?:^    .*\n)+", section, flags=re.MULTILINE)
    if block.lstrip().startswith("{")
]
CODES = {
    "bad_parameter",
    "bad_token",
    "cluster_missing",
    "cluster_unreachable",
    "collector_stale",
    "config_missing",
    "figures_unknown",
    "internal_error",
    "malformed_yaml",
    "method_not_allowed",
    "no_nodes",
    "node_unknown",
    "node_unreachable",
    "not_authenticated",
    "not_found",
    "not_polled_yet",
    "permission_denied",
}


def test_every_route_is_documented() -> None:
    documented = {
        section.partition("\n")[0].replace("&lt;id&gt;", "{node_id}") for section in SECTIONS
    }
    assert {path for path in schema()["paths"] if not path.startswith("/api/token")} <= documented


def test_every_error_is_documented() -> None:
    assert {code for code in CODES if f"`{code}`" not in TEXT} == set()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 9


@pytest.mark.parametrize(("path", "body"), EXAMPLES)
def test_an_example_has_the_real_shape(path: str, body: dict[str, object]) -> None:
    shape_check(path, 503 if "code" in body else 200, body)
