"""What becomes of a session: rotation, idleness, a fresh password, and ending all of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.decorators import portal_permission
from apps.accounts.errors import FreshSignInNeeded
from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.services import token_create
from apps.accounts.sessions import fresh_in_api, fresh_sign_in
from apps.audit.models import AuditEvent, Outcome
from apps.common.time import utc_now
from tests.accounts.people import PASSWORD, signed_in
from tests.factories import cluster_of_four

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.accounts.test_sessions")]
LOGIN = "/accounts/login/"
COOKIE = portal_settings.SESSION_COOKIE_NAME
EVIL = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "http://testserver@evil.example/",
    "\x09//evil.example",
)


@portal_permission("operate_nodes")
@fresh_sign_in
def dangerous(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


class DangerousThing(APIView):
    required_permission = "operate_nodes"

    def post(self, request: Request) -> Response:
        if not fresh_in_api(request):
            raise FreshSignInNeeded
        return Response({"done": True})


urlpatterns = [
    path("dangerous", dangerous),
    path("fragments/dangerous", dangerous),
    path("api/dangerous", DangerousThing.as_view()),
    path("", include("clio_portal.urls")),
]


@pytest.fixture
def operator(person: Callable[[Role | None], User]) -> User:
    cluster_of_four(at=utc_now())
    return person(Role.OPERATOR)


def sign_in(client: Client, **more: str) -> Any:
    return client.post(LOGIN, {"username": "operator", "password": PASSWORD} | more)


# ---- rotation ------------------------------------------------------------------------------


def test_a_session_planted_before_the_sign_in_is_worth_nothing(operator: User) -> None:
    thief, victim = Client(), Client()
    session = thief.session
    session["x"] = 1
    session.save()
    planted = str(session.session_key)
    thief.cookies[COOKIE] = victim.cookies[COOKIE] = planted
    assert sign_in(victim).status_code == 302
    assert victim.cookies[COOKIE].value != planted
    assert victim.get("/accounts/me").status_code == 200
    assert thief.get("/accounts/me").status_code == 302


def test_each_password_makes_a_new_key_and_the_old_one_ends(operator: User) -> None:
    client = Client()
    sign_in(client)
    first = client.cookies[COOKIE].value
    client.post("/accounts/confirm", {"password": PASSWORD})
    second = client.cookies[COOKIE].value
    assert first != second
    old = Client()
    old.cookies[COOKIE] = first
    assert old.get("/accounts/me").status_code == 302


# ---- idleness ------------------------------------------------------------------------------


def test_nothing_done_for_a_while_ends_the_session(
    operator: User, settings: Any, time_machine: Any
) -> None:
    settings.PORTAL_SESSION_IDLE = timedelta(minutes=30)
    begun = utc_now()
    time_machine.move_to(begun, tick=False)
    client = signed_in(operator)
    time_machine.move_to(begun + timedelta(minutes=29), tick=False)
    assert client.get("/accounts/me").status_code == 200
    time_machine.move_to(begun + timedelta(minutes=58), tick=False)
    assert client.get("/accounts/me").status_code == 200
    time_machine.move_to(begun + timedelta(minutes=88), tick=False)
    answer = client.get("/accounts/me", follow=True)
    assert answer.redirect_chain[-1][0].startswith(LOGIN)
    assert "nothing was done for a while" in answer.content.decode()
    event = AuditEvent.objects.get(action="auth.sign_out")
    assert (event.actor_name, event.reason) == ("operator", "Nothing was done for too long.")


def test_a_page_that_refreshes_itself_is_nobody_doing_anything(
    operator: User, settings: Any, time_machine: Any
) -> None:
    settings.PORTAL_SESSION_IDLE = timedelta(minutes=30)
    begun = utc_now()
    time_machine.move_to(begun, tick=False)
    client = signed_in(operator)
    for minutes in (10, 20, 29):
        time_machine.move_to(begun + timedelta(minutes=minutes), tick=False)
        assert client.get("/fragments/connection").status_code in (200, 204)
        assert client.get("/api/topology").status_code in (200, 503)  # 503: its figures are old
    time_machine.move_to(begun + timedelta(minutes=30), tick=False)
    assert client.get("/api/topology").status_code == 401
    assert client.get("/accounts/me").status_code == 302


def test_it_may_be_switched_off(operator: User, settings: Any, time_machine: Any) -> None:
    settings.PORTAL_SESSION_IDLE = timedelta()
    client = signed_in(operator)
    time_machine.move_to(utc_now() + timedelta(hours=20), tick=False)
    assert client.get("/accounts/me").status_code == 200


# ---- a fresh password ----------------------------------------------------------------------


def stale(client: Client, minutes: float) -> None:
    session = client.session
    session["portal_fresh_at"] = int(utc_now().timestamp() - 60 * minutes)
    session.save()


def test_a_dangerous_page_asks_for_the_password_and_comes_back(operator: User) -> None:
    client = signed_in(operator)
    assert client.get("/dangerous?a=1").content == b"done"
    stale(client, 16)
    asked = client.get("/dangerous?a=1")
    assert asked.headers["Location"] == "/accounts/confirm?next=%2Fdangerous%3Fa%3D1"
    form = {"next": "/dangerous?a=1"}
    wrong = client.post("/accounts/confirm", form | {"password": "wrong"})
    assert "not right" in wrong.content.decode()
    assert client.get("/dangerous?a=1").status_code == 302
    right = client.post("/accounts/confirm", form | {"password": PASSWORD})
    assert right.headers["Location"] == "/dangerous?a=1"
    assert client.get("/dangerous?a=1").content == b"done"
    events = AuditEvent.objects.filter(action="auth.confirm").order_by("number")
    assert [event.outcome for event in events] == [Outcome.DENIED, Outcome.SUCCEEDED]


def test_a_form_opened_in_time_may_be_sent_a_while_later(operator: User) -> None:
    client = signed_in(operator)
    stale(client, 16)
    assert client.post("/dangerous").content == b"done"
    stale(client, 31)
    assert client.post("/dangerous").status_code == 302


def test_a_fragment_takes_the_whole_page_there(operator: User) -> None:
    client = signed_in(operator)
    stale(client, 16)
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/jobs?node=1"}
    answer = client.get("/fragments/dangerous", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/accounts/confirm?next=%2Fjobs%3Fnode%3D1"


def test_the_permission_comes_first(person: Callable[[Role | None], User]) -> None:
    client = signed_in(person(Role.VIEWER))
    stale(client, 16)
    assert client.get("/dangerous").status_code == 403


def test_wrong_passwords_there_lock_out_as_at_the_sign_in(operator: User) -> None:
    client = signed_in(operator)
    for _ in range(portal_settings.AXES_FAILURE_LIMIT):
        last = client.post("/accounts/confirm", {"password": "wrong"})
    assert last.status_code == 429
    assert client.post("/accounts/confirm", {"password": PASSWORD}).status_code == 429


def test_another_s_password_does_not_do(
    operator: User, person: Callable[[Role | None], User]
) -> None:
    other = person(Role.VIEWER)
    other.set_password("another long pass phrase")
    other.save()
    client = signed_in(operator)
    stale(client, 16)
    form = {"username": "viewer", "password": "another long pass phrase"}
    assert client.post("/accounts/confirm", form).status_code == 200
    assert client.get("/dangerous").status_code == 302


def test_in_the_api_a_session_needs_it_and_a_token_does_not(operator: User) -> None:
    client = signed_in(operator)
    assert client.post("/api/dangerous").status_code == 200
    stale(client, 31)
    answer = client.post("/api/dangerous")
    assert (answer.status_code, answer.json()["code"]) == (403, "fresh_sign_in_needed")
    _, secret = token_create(user=operator, name="t", scope=ApiToken.Scope.OPERATE)
    headers = {"Authorization": f"Token {secret}"}
    assert Client().post("/api/dangerous", headers=headers).status_code == 200


# ---- ending all of them --------------------------------------------------------------------


def test_signing_out_everywhere_ends_all_sessions_and_leaves_tokens(operator: User) -> None:
    here, there = signed_in(operator), signed_in(operator)
    _, secret = token_create(user=operator, name="t")
    assert here.post("/accounts/me/sign-out-everywhere").status_code == 302
    assert there.get("/accounts/me").status_code == 302
    assert here.get("/accounts/me").status_code == 302
    headers = {"Authorization": f"Token {secret}"}
    assert Client().get("/api/topology", headers=headers).status_code == 200
    assert AuditEvent.objects.filter(action="account.sign_out_everywhere").count() == 1
    assert sign_in(Client()).status_code == 302


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(operator: User) -> None:
    here, there = signed_in(operator), signed_in(operator)
    new = "a different long pass phrase"
    answer = here.post("/accounts/me/password", {"password": new, "again": new})
    assert answer.status_code == 302
    assert here.get("/accounts/me").status_code == 200
    assert there.get("/accounts/me").status_code == 302
    assert Client().post(LOGIN, {"username": "operator", "password": new}).status_code == 302


@pytest.mark.parametrize(
    ("password", "again"), [("short", "short"), ("operator-operator", ""), ("x" * 13, "y" * 13)]
)
def test_a_bad_new_password_changes_nothing(operator: User, password: str, again: str) -> None:
    client = signed_in(operator)
    answer = client.post("/accounts/me/password", {"password": password, "again": again})
    assert answer.status_code == 400
    assert sign_in(Client()).status_code == 302


# ---- other sites ---------------------------------------------------------------------------


@pytest.mark.parametrize("target", EVIL)
def test_no_form_sends_anybody_to_another_site(operator: User, target: str) -> None:
    assert sign_in(Client(), next=target).headers["Location"] == "/"
    client = signed_in(operator)
    form = {"password": PASSWORD, "next": target}
    assert client.post("/accounts/confirm", form).headers["Location"] == "/"
    token, _ = token_create(user=operator, name="t")
    where = f"/accounts/tokens/{token.public_id}/revoke"
    assert client.post(where, {"next": target}).headers["Location"] == "/accounts/me/tokens"


def test_a_foreign_page_can_post_to_none_of_them(
    operator: User, person: Callable[[Role | None], User]
) -> None:
    token, _ = token_create(user=operator, name="t")
    client = signed_in(person(Role.ADMINISTRATOR), enforce_csrf_checks=True)
    for where in (
        "/accounts/confirm",
        "/accounts/me",
        "/accounts/me/password",
        "/accounts/me/sign-out-everywhere",
        "/accounts/me/tokens",
        f"/accounts/tokens/{token.public_id}/revoke",
        "/people/new",
        f"/people/{operator.pk}",
        f"/admin/accounts/user/{operator.pk}/change/",
        "/accounts/logout/",
    ):
        headers = {"Origin": "https://evil.example"}
        answer = client.post(where, {"act": "deactivate"}, headers=headers)
        assert (where, answer.status_code) == (where, 403)
    operator.refresh_from_db()
    token.refresh_from_db()
    assert operator.is_active
    assert token.revoked_at is None
