"""The committed schema is current, complete, and kept by the answers."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from hypothesis import given, settings

from apps.accounts.models import User
from apps.accounts.services import token_create
from tests.api import situations
from tests.api.schema import SCHEMA_PATH, operation, schema

ROUTES = {
    "/api/topology",
    "/api/system",
    "/api/workers",
    "/api/pools",
    "/api/config",
    "/api/node/{node_id}/workers",
    "/api/node/{node_id}/system_stats",
    "/api/node/{node_id}/bdev_stats",
    "/api/node/{node_id}/container_stats",
}


def test_the_committed_schema_is_current() -> None:
    generator: Any = SchemaGenerator
    renderer: Any = OpenApiYamlRenderer
    generated = generator().get_schema(request=None, public=True)
    rendered = renderer().render(generated, renderer_context={})
    assert rendered.decode() == SCHEMA_PATH.read_text(), (
        "Run: python manage.py spectacular --file docs/openapi.yaml"
    )


def test_the_schema_has_every_documented_route() -> None:
    assert schema()["paths"].keys() >= ROUTES


def test_every_field_says_what_it_means() -> None:
    silent = [
        f"{name}.{field}"
        for name, shape in schema()["components"]["schemas"].items()
        for field, meaning in shape.get("properties", {}).items()
        if not any(key in meaning for key in ("description", "$ref", "items", "allOf"))
    ]
    assert silent == []


@pytest.fixture
def secret(viewer: User) -> str:
    situations.healthy()
    return token_create(user=viewer, name="tests")[1]


@pytest.fixture
def api(secret: str) -> Any:
    headers = {"Authorization": f"Token {secret}", "Accept": "application/vnd.oai.openapi"}
    return schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application(), headers=headers)


POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
CASES = [(path, POSITIVE) for path in sorted(ROUTES)] + [
    (path, NEGATIVE) for path in sorted(ROUTES) if operation(path).get("parameters")
]


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "mode"), CASES)
def test_answers_keep_the_schema(
    api: Any, secret: str, path: str, mode: schemathesis.GenerationMode
) -> None:
    """Good and bad parameters: no crash, and nothing that the schema does not promise."""

    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    @given(case=api[path]["GET"].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case[Any]) -> None:
        headers = {"Authorization": f"Token {secret}", "Accept-Encoding": "identity"}
        case.call_and_validate(headers=headers)

    check()
