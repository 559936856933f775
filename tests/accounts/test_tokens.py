"""API tokens: what they open, when they end, and what using one costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.services import token_create, token_replace, token_revoke
from apps.common.time import utc_now

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.accounts.test_tokens")]


class Thing(APIView):
    required_permission = "view_live"

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.get_username()})

    def post(self, request: Request) -> Response:
        return Response({"done": True})


urlpatterns = [path("api/thing", Thing.as_view())]


@pytest.fixture
def viewer(person: Callable[[Role | None], User]) -> User:
    return person(Role.VIEWER)


def ask(secret: str, *, method: str = "get", **headers: str) -> Any:
    call = getattr(Client(), method)
    return call("/api/thing", headers={"Authorization": f"Token {secret}"} | headers)


def test_a_token_opens(viewer: User) -> None:
    _, secret = token_create(user=viewer, name="t")
    answer = ask(secret)
    assert answer.status_code == 200
    assert answer.json() == {"user": "viewer"}


def test_it_costs_two_queries_and_no_write_within_the_minute(
    viewer: User, django_assert_num_queries: Any
) -> None:
    _, secret = token_create(user=viewer, name="t")
    ask(secret)
    with django_assert_num_queries(2) as captured:
        ask(secret)
    assert not [query for query in captured if not query["sql"].startswith("SELECT")]


def test_no_credentials_is_401_with_the_challenge() -> None:
    answer = Client().get("/api/thing")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Token"
    assert answer.json()["code"] == "not_authenticated"


@pytest.mark.parametrize(
    "header",
    ["Token", "Token a b", "Token wrong", "Token " + "0" * 64, "Token \xff\xfe", "Token é"],
)
def test_a_bad_token_is_401(header: str, viewer: User) -> None:
    token_create(user=viewer, name="t")
    answer = Client().get("/api/thing", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["code"] == "bad_token"


def test_the_right_beginning_is_not_enough(viewer: User) -> None:
    _, secret = token_create(user=viewer, name="t")
    changed = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    assert ask(changed).status_code == 401
    assert ask(secret[:15]).status_code == 401


def test_two_tokens_that_begin_alike_are_told_apart(
    viewer: User, person: Callable[[Role | None], User]
) -> None:
    first, secret = token_create(user=viewer, name="t")
    second, _ = token_create(user=person(Role.OPERATOR), name="u")
    second.token_key = first.token_key
    second.save()
    assert ask(secret).json() == {"user": "viewer"}


def test_a_revoked_token_ends_with_the_next_request(viewer: User) -> None:
    token, secret = token_create(user=viewer, name="t")
    assert ask(secret).status_code == 200
    token_revoke(token)
    assert ask(secret).status_code == 401


def test_a_replaced_token_ends(viewer: User) -> None:
    _, old = token_replace(user=viewer, name="t")
    _, new = token_replace(user=viewer, name="t")
    assert ask(old).status_code == 401
    assert ask(new).status_code == 200


def test_a_role_taken_away_ends_with_the_next_request(viewer: User) -> None:
    _, secret = token_create(user=viewer, name="t")
    assert ask(secret).status_code == 200
    viewer.groups.clear()
    assert ask(secret).status_code == 403


def test_an_inactive_owner_is_401(viewer: User) -> None:
    _, secret = token_create(user=viewer, name="t")
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    answer = ask(secret)
    assert answer.status_code == 401
    assert answer.json()["code"] == "user_inactive"


def test_a_service_account_may_use_tokens(viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(is_service=True)
    _, secret = token_create(user=viewer, name="t")
    assert ask(secret).status_code == 200


def test_it_ends_at_its_expiry(viewer: User, time_machine: Any) -> None:
    now = utc_now()
    time_machine.move_to(now, tick=False)
    _, secret = token_create(user=viewer, name="t", expires_at=now + timedelta(hours=1))
    time_machine.move_to(now + timedelta(minutes=59), tick=False)
    assert ask(secret).status_code == 200
    time_machine.move_to(now + timedelta(hours=1), tick=False)
    answer = ask(secret)
    assert answer.status_code == 401
    assert answer.json()["code"] == "token_expired"


def test_one_for_reading_may_not_post(viewer: User) -> None:
    _, secret = token_create(user=viewer, name="t", scope=ApiToken.Scope.READ)
    answer = ask(secret, method="post")
    assert answer.status_code == 403
    assert answer.json()["code"] == "token_read_only"


def test_one_for_operating_may_post(viewer: User) -> None:
    _, secret = token_create(user=viewer, name="t", scope=ApiToken.Scope.OPERATE)
    assert ask(secret, method="post").status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver:81"])
def test_another_page_may_not_post_even_with_a_token(origin: str, viewer: User) -> None:
    _, secret = token_create(user=viewer, name="t", scope=ApiToken.Scope.OPERATE)
    answer = ask(secret, method="post", Origin=origin)
    assert answer.status_code == 403
    assert answer.json()["code"] == "foreign_origin"


def test_the_portal_s_own_page_may_post(viewer: User) -> None:
    _, secret = token_create(user=viewer, name="t", scope=ApiToken.Scope.OPERATE)
    assert ask(secret, method="post", Origin="http://testserver").status_code == 200


@pytest.mark.parametrize(
    ("network", "status"), [("127.0.0.0/8", 200), ("10.0.0.0/8", 403), ("::1/128", 403)]
)
def test_it_is_held_to_its_network(network: str, status: int, viewer: User) -> None:
    _, secret = token_create(user=viewer, name="t", allowed_network=network)
    assert ask(secret).status_code == status


def test_a_claimed_address_does_not_pass_for_one_in_the_network(viewer: User) -> None:
    _, secret = token_create(user=viewer, name="t", allowed_network="10.0.0.0/8")
    headers = {"Authorization": f"Token {secret}", "X-Forwarded-For": "10.1.2.3"}
    assert Client().get("/api/thing", headers=headers).status_code == 403


def test_the_address_that_a_trusted_proxy_saw_counts(viewer: User, settings: Any) -> None:
    settings.PORTAL_TRUSTED_PROXIES = 1
    _, secret = token_create(user=viewer, name="t", allowed_network="10.0.0.0/8")
    headers = {"Authorization": f"Token {secret}", "X-Forwarded-For": "10.9.9.9, 192.0.2.7"}
    assert Client().get("/api/thing", headers=headers).status_code == 403
    headers["X-Forwarded-For"] = "192.0.2.7, 10.9.9.9"
    assert Client().get("/api/thing", headers=headers).status_code == 200


def test_the_last_use_is_noted_once_a_minute(viewer: User, time_machine: Any) -> None:
    now = utc_now()
    token, secret = token_create(user=viewer, name="t")

    def used_at_after(seconds: int) -> Any:
        time_machine.move_to(now + timedelta(seconds=seconds), tick=False)
        ask(secret)
        token.refresh_from_db()
        return token.last_used_at

    assert used_at_after(0) == now
    assert token.last_used_from == "127.0.0.1"
    assert used_at_after(59) == now
    assert used_at_after(60) == now + timedelta(seconds=60)


def test_a_session_needs_the_csrf_token_to_post(viewer: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer, backend="apps.accounts.backends.PortalBackend")
    assert client.get("/api/thing").status_code == 200
    answer = client.post("/api/thing")
    assert answer.status_code == 403
