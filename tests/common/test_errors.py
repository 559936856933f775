"""Errors and headers: JSON for every /api path, a page for all others, an id for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.decorators import portal_public
from apps.common.errors import PortalError
from clio_portal.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500"]

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.common.test_errors")]


class ReasonSerializer(serializers.Serializer[object]):
    reason = serializers.CharField(max_length=5)


class Raises(APIView):
    permission_classes: list[Any] = []

    def get(self, request: Request, what: str) -> Response:
        raise ERRORS[what]

    def post(self, request: Request, what: str) -> Response:
        ReasonSerializer(data=request.data).is_valid(raise_exception=True)
        return Response({})


ERRORS: dict[str, Exception] = {
    "named": PortalError("The cluster is away.", "away", 503, "Start it.", {"connected": False}),
    "bug": ZeroDivisionError("secret detail"),
    "suspicious": SuspiciousOperation("secret detail"),
    "database": OperationalError("connection to 10.0.0.5 as portal failed: secret detail"),
    "connection": InterfaceError("secret detail"),
}


@portal_public
def page(request: HttpRequest, what: str) -> HttpResponse:
    raise ERRORS[what]


urlpatterns = [
    path("api/raises/<what>", Raises.as_view()),
    path("api/plain/<what>", page),
    path("page/<what>", page),
    path("", include("clio_portal.urls")),
]


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("address", ["/api/raises/named", "/api/plain/named"])
def test_a_named_error_is_its_own_answer(address: str, client: Client) -> None:
    answer = client.get(address)
    assert answer.status_code == 503
    assert answer.json() == {
        "error": "The cluster is away.",
        "code": "away",
        "remedy": "Start it.",
        "connected": False,
    }


@pytest.mark.parametrize("address", ["/api/raises/bug", "/api/plain/bug"])
def test_an_unhandled_error_is_json_with_the_request_s_id_and_no_detail(
    address: str, client: Client
) -> None:
    answer = client.get(address, headers={"X-Request-ID": "abc-12345"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "abc-12345" in answer.json()["remedy"]
    assert "secret" not in answer.content.decode()


@pytest.mark.parametrize("what", ["database", "connection"])
def test_a_database_that_is_away_is_said(what: str, client: Client) -> None:
    for where in ("/api/raises/", "/api/plain/", "/page/"):
        answer = client.get(where + what)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "database" in answer.content.decode()
        assert "secret" not in answer.content.decode()
        if where != "/page/":
            assert answer.json()["code"] == "database_away"


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "patch"])
@pytest.mark.parametrize("address", ["/api", "/api/nothing", "/api/node/x/y/z"])
def test_an_unknown_api_path_is_json_whatever_the_method(
    address: str, method: str, client: Client
) -> None:
    answer = getattr(client, method)(address)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_an_unknown_api_path_is_json_in_debug_mode_too(client: Client, settings: Any) -> None:
    settings.DEBUG = True
    assert client.get("/api/nothing").json()["code"] == "not_found"


def test_a_bad_request_is_json(client: Client) -> None:
    answer = client.get("/api/plain/suspicious")
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"


def test_a_wrong_host_is_refused(client: Client) -> None:
    answer = client.get("/api/raises/named", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert set(answer.json()) >= {"error", "code"}


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ('{"reason": "too long"}', "application/json", 400, "invalid"),
        ("{not json", "application/json", 400, "parse_error"),
        ("reason=x", "text/csv", 415, "unsupported_media_type"),
    ],
)
def test_a_bad_body_says_what_is_wrong(
    body: str, kind: str, status: int, code: str, client: Client
) -> None:
    answer = client.post("/api/raises/named", body, content_type=kind)
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert answer.json()["error"]


def test_a_wrong_field_is_named(client: Client) -> None:
    answer = client.post(
        "/api/raises/named", '{"reason": "too long"}', content_type="application/json"
    )
    assert answer.json()["error"].startswith("reason: ")
    assert list(answer.json()["fields"]) == ["reason"]


def test_a_wrong_method_is_405(client: Client) -> None:
    answer = client.delete("/api/raises/named")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("address", "status", "text"),
    [
        ("/page/named", 503, "The cluster is away."),
        ("/page/bug", 500, "Something went wrong"),
        ("/no/such/page", 404, "There is nothing at /no/such/page"),
    ],
)
def test_a_page_gets_a_page(address: str, status: int, text: str, client: Client) -> None:
    answer = client.get(address)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert text in answer.content.decode()
    assert "secret" not in answer.content.decode()


def test_a_path_in_an_error_page_is_text(client: Client) -> None:
    answer = client.get("/<script>alert(1)</script>")
    assert "<script>alert" not in answer.content.decode()


@pytest.mark.parametrize("given", ["abcdefgh", "A-b_9" * 4])
def test_a_well_formed_request_id_is_kept(given: str, client: Client) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with blank", "line\tbreak", "ümlaut-x"])
def test_any_other_gets_a_new_one(given: str, client: Client) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] != given
    assert len(answer.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize("address", ["/healthz", "/api/nothing", "/accounts/login/", "/page/bug"])
def test_every_answer_carries_the_headers(
    address: str, client: Client, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    headers = client.get(address).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
