"""docs/api.md has every route, every error, and examples of the real shape."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from clio_portal.api_schema import examples
from tests.api.schema import operation, schema, shape_check

DOCS = Path(__file__).parents[2] / "docs"
TEXT = "".join((DOCS / name).read_text() for name in ("api.md", "control.md"))
SECTIONS = re.split(r"^## (?=(?:GET|POST|PUT|DELETE) )", TEXT, flags=re.MULTILINE)[1:]
Example = tuple[str, str, dict[str, object]]


def title_of(section: str) -> tuple[str, str]:
    """Method and path, as the schema has it."""
    method, _, path = section.partition("\n")[0].partition(" ")
    return method, path.replace("&lt;id&gt;", "{node_id}")


EXAMPLES: list[Example] = [
    (*title_of(section), json.loads(block))
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
    documented = {title_of(section)[1] for section in SECTIONS}
    assert {path for path in schema()["paths"] if not path.startswith("/api/token")} <= documented


def test_every_error_is_documented() -> None:
    assert {code for code in CODES if f"`{code}`" not in TEXT} == set()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 20


@pytest.mark.parametrize(("method", "path", "body"), EXAMPLES)
def test_an_example_has_the_real_shape(method: str, path: str, body: dict[str, object]) -> None:
    shape_check(filled(path), 503 if "code" in body else 200, body, method)


def filled(path: str) -> str:
    return re.sub(r"\{\w+\}", "1", path)


@pytest.mark.parametrize(("method", "path", "body"), EXAMPLES)
def test_an_example_is_the_schema_s(method: str, path: str, body: dict[str, object]) -> None:
    known = examples()["answers"][operation(filled(path), method)["operationId"]]
    assert body in known.values()


def test_every_example_of_the_schema_has_the_real_shape() -> None:
    for path, methods in schema()["paths"].items():
        for method, described in methods.items():
            answers = examples()["answers"].get(described["operationId"], {})
            for status, body in answers.items():
                shape_check(filled(path), status, body, method)


def test_every_operation_and_every_error_has_an_example() -> None:
    operations = {
        described["operationId"]
        for path, methods in schema()["paths"].items()
        if path != "/api/schema"
        for described in methods.values()
    }
    assert operations - examples()["answers"].keys() == set()
    for status, errors in examples()["errors"].items():
        assert errors, status
        for error in errors:
            assert {"error", "code"} <= error.keys()
            assert f"`{error['code']}`" in TEXT


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.partition("\n")[0])
def test_every_section_of_the_api_s_page_can_be_pasted(section: str) -> None:
    if section in (DOCS / "control.md").read_text():
        return
    assert "    curl " in section
