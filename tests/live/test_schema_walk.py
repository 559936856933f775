"""Schemathesis over the whole schema, on a live portal over a simulated cluster, both databases.

No answer is a 500, and none has a status, type or shape that the schema does not promise. The
examples are few and always the same, so that this stays short.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi import checks

from tests.api.schema import schema
from tests.live.portal import LivePortal

POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
EXAMPLES = 8
OPERATIONS = [
    (path, method.upper()) for path, methods in schema()["paths"].items() for method in methods
]
CASES = [
    (path, method, mode)
    for path, method in OPERATIONS
    for mode in (POSITIVE, NEGATIVE)
    if mode is POSITIVE
    or schema()["paths"][path][method.lower()].get("parameters")
    or "requestBody" in schema()["paths"][path][method.lower()]
]
KEPT = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture(scope="module")
def whole() -> Any:
    return schemathesis.openapi.from_dict(schema())


def walk(whole: Any, portal: LivePortal, path: str, method: str, mode: Any) -> None:
    """As an operator's script, which may do everything that the schema describes."""
    headers = {"Authorization": f"Token {portal.tokens['administrator']}"}
    operation = whole[path][method]
    described = schema()["paths"][path][method.lower()].get("parameters", [])
    waits = any(parameter["name"] == "wait" for parameter in described)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case[Any]) -> None:
        query = dict(case.query or {})
        if waits and (mode is POSITIVE or "wait" not in query):
            case.query = query | {"wait": 0}  # nobody waits for a job's end here
        answer = case.call(base_url=portal.url, headers=headers)
        assert answer.status_code != 500, answer.text
        case.validate_response(answer, checks=KEPT)

    check()


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_on_sqlite(whole: Any, portal: LivePortal, path: str, method: str, mode: Any) -> None:
    walk(whole, portal, path, method, mode)


@pytest.mark.postgres
@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_on_postgres(
    whole: Any, portal_postgres: LivePortal, path: str, method: str, mode: Any
) -> None:
    walk(whole, portal_postgres, path, method, mode)


def test_the_walk_goes_everywhere() -> None:
    assert len(OPERATIONS) >= 35
    assert {"/api/topology", "/api/batches", "/api/history/heatmap"} <= {
        path for path, _ in OPERATIONS
    }
    assert json.dumps(schema())  # nothing in it that JSON has no word for
