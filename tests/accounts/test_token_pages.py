"""Pages of API tokens: shown once, named, ended; and what refused uses leave in the trail."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.services import token_create, token_revoke
from apps.audit.models import AuditEvent
from apps.common.time import utc_now
from tests.accounts.people import signed_in
from tests.factories import cluster_of_four

pytestmark = pytest.mark.django_db
PAGE = "/accounts/me/tokens"
FORM = {"name": "nightly", "scope": "read", "days": "30", "allowed_network": ""}


@pytest.fixture
def viewer(person: Callable[[Role | None], User]) -> User:
    cluster_of_four(at=utc_now())
    return person(Role.VIEWER)


def secret_in(answer: Any) -> str:
    found = re.search(r'id="secret" value="(\w+)"', answer.content.decode())
    assert found is not None
    return found[1]


def ask(secret: str) -> Any:
    return Client().get("/api/topology", headers={"Authorization": f"Token {secret}"})


def refusals() -> list[tuple[str, str, str]]:
    found = AuditEvent.objects.filter(action="api_token.refused").order_by("number")
    return [(one.actor_name, one.target_name, one.reason) for one in found]


def test_it_is_shown_once_and_kept_as_a_hash(viewer: User) -> None:
    client = signed_in(viewer)
    made = client.post(PAGE, FORM)
    secret = secret_in(made)
    assert "no-store" in made.headers["Cache-Control"]
    assert secret not in client.get(PAGE).content.decode()
    token = ApiToken.objects.get()
    assert secret not in (token.digest, token.token_key)
    assert (token.name, token.scope, token.user) == ("nightly", "read", viewer)
    assert token.expiry is not None
    assert timedelta(days=29) < token.expiry - utc_now() <= timedelta(days=30)
    assert ask(secret).status_code == 200
    assert "127.0.0.1" in client.get(PAGE).content.decode()  # last used from
    event = AuditEvent.objects.get(action="api_token.create")
    assert event.target_name == "nightly of viewer"


def test_sending_the_form_again_makes_no_second_one(viewer: User) -> None:
    client = signed_in(viewer)
    client.post(PAGE, FORM)
    assert client.post(PAGE, FORM).status_code == 400
    assert ApiToken.objects.count() == 1
    token_revoke(ApiToken.objects.get())
    assert client.post(PAGE, FORM).status_code == 200  # the name is free again


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"scope": "all"}, {"days": "0"}, {"days": "9999"}, {"allowed_network": "ten"}],
)
def test_a_wrong_form_makes_nothing(viewer: User, wrong: dict[str, str]) -> None:
    assert signed_in(viewer).post(PAGE, FORM | wrong).status_code == 400
    assert not ApiToken.objects.exists()


def test_an_end_may_be_left_out_only_where_the_site_allows_it(viewer: User, settings: Any) -> None:
    settings.PORTAL_TOKEN_MAX_DAYS = 0
    signed_in(viewer).post(PAGE, FORM | {"days": "0"})
    assert ApiToken.objects.get().expiry is None


def test_a_network_is_written_as_one(viewer: User) -> None:
    signed_in(viewer).post(PAGE, FORM | {"allowed_network": "10.1.2.3/8"})
    assert ApiToken.objects.get().allowed_network == "10.0.0.0/8"


def test_a_revoked_token_can_not_be_replayed_and_the_trail_says_so_once(viewer: User) -> None:
    token, secret = token_create(user=viewer, name="t")
    assert ask(secret).status_code == 200
    where = f"/accounts/tokens/{token.public_id}/revoke"
    assert signed_in(viewer).post(where).status_code == 302
    for _ in range(3):
        answer = ask(secret)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert refusals() == [("viewer", "t of viewer", "The token was revoked.")]
    revoked = AuditEvent.objects.get(action="api_token.revoke")
    assert (revoked.actor_name, revoked.target_id) == ("viewer", str(token.public_id))


def test_refused_uses_are_told_again_after_a_while(viewer: User, time_machine: Any) -> None:
    begun = utc_now()
    time_machine.move_to(begun, tick=False)
    token, secret = token_create(user=viewer, name="t")
    token_revoke(token)
    for minutes in (0, 9, 10):
        time_machine.move_to(begun + timedelta(minutes=minutes), tick=False)
        ask(secret)
    assert len(refusals()) == 2


def test_what_is_no_token_is_told_once_an_address(viewer: User) -> None:
    for made_up in ("a" * 64, "b" * 64):
        assert ask(made_up).status_code == 401
    assert refusals() == [("anonymous", "not a token", "The token is not valid.")]


def test_another_s_token_is_not_to_be_revoked_but_by_administrators(
    viewer: User, person: Callable[[Role | None], User]
) -> None:
    token, secret = token_create(user=viewer, name="t")
    where = f"/accounts/tokens/{token.public_id}/revoke"
    assert signed_in(person(Role.OPERATOR)).post(where).status_code == 403
    assert ask(secret).status_code == 200
    assert signed_in(person(Role.ADMINISTRATOR)).post(where).status_code == 302
    assert ask(secret).status_code == 401


def test_administrators_see_everybody_s_without_anything_secret(
    viewer: User, person: Callable[[Role | None], User]
) -> None:
    token, secret = token_create(user=viewer, name="nightly")
    ended, _ = token_create(user=viewer, name="old")
    token_revoke(ended)
    admin = signed_in(person(Role.ADMINISTRATOR))
    page = admin.get("/people/tokens").content.decode()
    assert "nightly" in page
    for hidden in (secret, token.digest, token.token_key):
        assert hidden not in page
    assert "nightly" not in admin.get("/people/tokens?status=revoked").content.decode()
    assert "nightly" in admin.get("/people/tokens?q=viewer+night").content.decode()
    assert "No token matches" in admin.get("/people/tokens?q=zzz").content.decode()
