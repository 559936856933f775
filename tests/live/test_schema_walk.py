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
from tests.conftest import IN_CI
from tests.live.portal import LivePortal
from tests.services import POSTGRES_URL, service_is_reachable

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


@pytest.fixture(scope="module")
def portals(request: pytest.FixtureRequest) -> list[LivePortal]:
    """One on each database; without PostgreSQL there is one less, which CI does not allow."""
    found = [request.getfixturevalue("portal")]
    if IN_CI or service_is_reachable(POSTGRES_URL):
        found.append(request.getfixturevalue("portal_postgres"))
    return found


@pytest.mark.parametrize(("path", "method", "mode"), CASES)
def test_on_both_databases(
    whole: Any, portals: list[LivePortal], path: str, method: str, mode: Any
) -> None:
    """As an administrator's script, which may do everything that the schema describes."""
    operation = whole[path][method]
    described = schema()["paths"][path][method.lower()].get("parameters", [])
    waits = any(parameter["name"] == "wait" for parameter in described)

    # The same requests to both: to think them up takes longer than to answer them.
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
        for portal in portals:
            headers = {"Authorization": f"Token {portal.tokens['administrator']}"}
            answer = case.call(base_url=portal.url, headers=headers)
            assert answer.status_code != 500, (portal.url, answer.text)
            case.validate_response(answer, checks=KEPT)

    check()


def test_the_walk_goes_everywhere() -> None:
    assert len(OPERATIONS) >= 35
    assert {"/api/topology", "/api/batches", "/api/history/heatmap"} <= {
        path for path, _ in OPERATIONS
    }
    assert json.dumps(schema())  # nothing in it that JSON has no word for
