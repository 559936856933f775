"""What a request's body may be: how large, and which JSON."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import ApiToken
from apps.accounts.roles import Role
from apps.accounts.services import token_create
from tests.accounts.people import person_make
from tests.control.kit import cluster_with_nodes

pytestmark = pytest.mark.django_db
ADDRESS = "/api/topology/node/0/shutdown?wait=0"


@pytest.fixture
def script() -> Client:
    cluster_with_nodes(1)
    user = person_make(Role.OPERATOR)
    _, secret = token_create(user=user, name="t", scope=ApiToken.Scope.OPERATE)
    return Client(headers={"authorization": f"Token {secret}"})


def test_a_large_body_is_refused_before_it_is_read(script: Client, settings: Settings) -> None:
    settings.PORTAL_BODY_LIMIT_BYTES = 20_000
    answer = script.post(ADDRESS, '{"reason": "' + "x" * 20_000 + '"}', "application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "20,000 bytes" in answer.json()["error"]


def test_so_is_a_page_s_form(client: Client, settings: Settings) -> None:
    settings.PORTAL_BODY_LIMIT_BYTES = 20_000
    answer = client.post("/accounts/login/", {"username": "x" * 30_000})
    assert answer.status_code == 413
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("length", ["-1", "many", "1e3", "99999999999999999999"])
def test_a_length_that_is_none_is_refused(client: Client, length: str) -> None:
    answer = client.post("/api/jobs/1/cancel", CONTENT_LENGTH=length)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"reason": ' + b"1" * 10_000 + b"}", "not JSON"),
        (b'{"reason": NaN}', "NaN"),
        (b'{"reason": "\\ud800"}', "surrogate"),
        (b'{"reason": "\xff"}', "UTF-8"),
    ],
)
def test_a_body_that_is_no_json_is_400(script: Client, body: bytes, problem: str) -> None:
    answer = script.generic("POST", ADDRESS, body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert problem in answer.json()["error"]


@pytest.mark.parametrize("body", ["[]", '"text"', "3", "[1]", "{}x"])
def test_json_that_is_no_object_is_400(script: Client, body: str) -> None:
    answer = script.post(ADDRESS, body, "application/json")
    assert answer.status_code == 400
