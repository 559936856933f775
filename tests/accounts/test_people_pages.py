"""People, for administrators: each thing that can be done to an account, and its record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as portal_settings
from django.contrib.auth.models import Group
from django.test import Client

from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.selectors import role_of
from apps.accounts.services import account_create, token_create
from apps.audit.models import AuditEvent
from apps.audit.services import Actor
from apps.common.time import utc_now
from tests.accounts.people import PASSWORD, signed_in
from tests.factories import cluster_of_four

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"
NEW = "a pass phrase that is new"


@pytest.fixture
def admin(person: Callable[[Role | None], User]) -> User:
    cluster_of_four(at=utc_now())
    return person(Role.ADMINISTRATOR)


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


@pytest.fixture
def viewer(person: Callable[[Role | None], User]) -> User:
    return person(Role.VIEWER)


def act(client: Client, user: User, act: str, **fields: str) -> Any:
    return client.post(f"/people/{user.pk}", {"act": act} | fields)


def link_in(answer: Any) -> str:
    found = re.search(r'id="link" value="http://testserver([^"]+)"', answer.content.decode())
    assert found is not None
    return found[1]


def actions(**more: Any) -> list[str]:
    return list(
        AuditEvent.objects.filter(**more).order_by("number").values_list("action", flat=True)
    )


def make(client: Client, name: str = "ada", role: str = "operator", kind: str = "person") -> Any:
    return client.post("/people/new", {"username": name, "role": role, "kind": kind})


def test_a_new_person_sets_a_password_by_a_link_that_is_good_once(client: Client) -> None:
    made = make(client)
    assert made.headers["Cache-Control"].find("no-store") >= 0
    user = User.objects.get(username="ada")
    assert (role_of(user), user.has_usable_password()) == (Role.OPERATOR, False)
    link = link_in(made)
    assert "Set your password" in Client().get(link).content.decode()
    assert Client().post(link, {"password": "short", "again": "short"}).status_code == 400
    assert Client().post(link, {"password": NEW, "again": NEW}).headers["Location"] == LOGIN
    assert Client().post(LOGIN, {"username": "ada", "password": NEW}).status_code == 302
    again = Client().post(link, {"password": PASSWORD, "again": PASSWORD})
    assert again.status_code == 404
    assert "not good any more" in again.content.decode()
    assert actions(target_name="ada") == [
        "account.create",
        "account.password_link",
        "account.password",
        "auth.sign_in",
    ]


def test_a_link_ends_with_time_and_with_the_account(
    client: Client, viewer: User, time_machine: Any
) -> None:
    begun = utc_now()
    link = link_in(act(client, viewer, "link"))
    time_machine.move_to(begun + timedelta(hours=71), tick=False)
    assert Client().get(link).status_code == 200
    time_machine.move_to(begun + timedelta(hours=73), tick=False)
    assert Client().get(link).status_code == 404
    time_machine.move_to(begun, tick=False)
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    assert Client().get(link).status_code == 404


@pytest.mark.parametrize("link", ["/accounts/set-password/x/y", "/accounts/set-password/MQ/y-z"])
def test_a_made_up_link_opens_nothing(link: str, viewer: User) -> None:
    assert Client().get(link).status_code == 404
    assert Client().post(link, {"password": NEW, "again": NEW}).status_code == 404


def test_a_service_account_gets_tokens_and_no_password(client: Client) -> None:
    where = make(client, "robot", kind="service").headers["Location"]
    robot = User.objects.get(username="robot")
    assert where == f"/people/{robot.pk}/tokens"
    page = client.post(where, {"name": "t", "scope": "operate", "days": "30"}).content.decode()
    secret = re.search(r'id="secret" value="(\w+)"', page)
    assert secret is not None
    headers = {"Authorization": f"Token {secret[1]}"}
    assert Client().get("/api/topology", headers=headers).status_code == 200
    assert "no password in the portal" in act(client, robot, "link").content.decode()


def test_nobody_makes_tokens_in_the_name_of_a_person(client: Client, viewer: User) -> None:
    form = {"name": "t", "scope": "read", "days": "30"}
    assert client.post(f"/people/{viewer.pk}/tokens", form).status_code == 404
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("name", ["viewer", "VIEWER", "a b", "<b>", ""])
def test_a_bad_or_taken_name_is_refused(client: Client, viewer: User, name: str) -> None:
    assert make(client, name).status_code == 400
    assert User.objects.count() == 2


def test_a_role_counts_with_the_next_request_and_own_groups_stay(
    client: Client, viewer: User
) -> None:
    theirs = signed_in(viewer)
    viewer.groups.add(Group.objects.create(name="auditors"))
    assert theirs.get("/people").status_code == 403
    assert act(client, viewer, "role", role="administrator").status_code == 302
    assert theirs.get("/people").status_code == 200
    act(client, viewer, "role", role="none")
    assert theirs.get("/people").status_code == 403
    assert [group.name for group in viewer.groups.all()] == ["auditors"]
    changes = AuditEvent.objects.filter(action="account.role").order_by("number")
    assert [(one.before, one.after, one.actor_name) for one in changes] == [
        ({"role": "viewer"}, {"role": "administrator"}, "administrator"),
        ({"role": "administrator"}, {"role": "none"}, "administrator"),
    ]


def test_a_deactivated_person_is_out_with_sessions_and_tokens(client: Client, viewer: User) -> None:
    theirs = signed_in(viewer)
    _, secret = token_create(user=viewer, name="t")
    headers = {"Authorization": f"Token {secret}"}
    act(client, viewer, "deactivate", reason="left us")
    assert theirs.get("/accounts/me").status_code == 302
    assert Client().get("/api/topology", headers=headers).status_code == 401
    assert Client().post(LOGIN, {"username": "viewer", "password": PASSWORD}).status_code == 200
    assert AuditEvent.objects.get(action="account.deactivate").reason == "left us"
    act(client, viewer, "activate")
    assert theirs.get("/accounts/me").status_code == 302  # an old session does not come to life
    assert Client().get("/api/topology", headers=headers).status_code == 200


def test_nobody_takes_their_own_access_away(client: Client, admin: User) -> None:
    for fields in ({"act": "role", "role": "viewer"}, {"act": "deactivate"}):
        answer = client.post(f"/people/{admin.pk}", fields)
        assert answer.status_code == 409
        assert "your own role or access" in answer.content.decode()
    assert client.get("/people").status_code == 200


def test_the_last_administrator_stays(client: Client, admin: User) -> None:
    other = account_create(
        username="second", role=Role.ADMINISTRATOR, actor=Actor.portal(), at=utc_now()
    )
    User.objects.filter(pk=admin.pk).update(is_active=False)
    second = signed_in(other)
    User.objects.filter(pk=admin.pk).update(is_service=True, is_active=True)
    for fields in ({"act": "role", "role": "viewer"}, {"act": "deactivate"}):
        # A service account can't sign in, so `other` is the only one, and asks for itself.
        assert second.post(f"/people/{other.pk}", fields).status_code == 409
    assert User.objects.get(pk=other.pk).is_active


def test_a_lock_out_is_shown_and_ended(client: Client, viewer: User) -> None:
    for _ in range(portal_settings.AXES_FAILURE_LIMIT):
        last = Client().post(LOGIN, {"username": "viewer", "password": "wrong"})
    assert last.status_code == 429
    assert "locked out" in client.get("/people?state=locked").content.decode()
    act(client, viewer, "unlock")
    assert Client().post(LOGIN, {"username": "viewer", "password": PASSWORD}).status_code == 302
    assert actions(target_name="viewer") == [
        *["auth.sign_in_failed"] * (portal_settings.AXES_FAILURE_LIMIT - 1),
        "auth.locked_out",
        "account.unlock",
        "auth.sign_in",
    ]


def test_a_lock_out_is_one_event_while_it_lasts(viewer: User) -> None:
    for _ in range(portal_settings.AXES_FAILURE_LIMIT + 5):
        Client().post(LOGIN, {"username": "viewer", "password": "wrong"})
    assert actions().count("auth.locked_out") == 1


def test_one_that_begins_anew_is_another_event(client: Client, viewer: User) -> None:
    for _ in range(2):
        for _ in range(portal_settings.AXES_FAILURE_LIMIT + 1):
            Client().post(LOGIN, {"username": "viewer", "password": "wrong"})
        act(client, viewer, "unlock")
    assert actions().count("auth.locked_out") == 2


def test_signing_somebody_out(client: Client, viewer: User) -> None:
    theirs = signed_in(viewer)
    act(client, viewer, "sign_out")
    assert theirs.get("/accounts/me").status_code == 302


def test_the_list_is_filtered_and_its_queries_do_not_grow(
    client: Client, viewer: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        account_create(username=f"p{number}", role=Role.VIEWER, actor=Actor.portal(), at=utc_now())
    with django_assert_max_num_queries(12):
        page = client.get("/people").content.decode()
    assert "42 accounts" in page
    assert "1 account " in client.get("/people?q=viewer").content.decode()
    assert "1 account " in client.get("/people?role=administrator").content.decode()
    assert "Nobody matches" in client.get("/people?q=x&state=service").content.decode()


def test_names_from_elsewhere_are_escaped(client: Client, viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(first_name="<script>x</script>", last_name='"><b>')
    for where in ("/people", f"/people/{viewer.pk}"):
        page = client.get(where).content.decode()
        assert "<script>x" not in page
        assert '"><b>' not in page


@pytest.mark.parametrize("path", ["/people/999999", "/people/99999999999999999999"])
def test_an_unknown_account_is_404(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_no_secret_is_in_the_trail(client: Client) -> None:
    link = link_in(make(client))
    Client().post(link, {"password": NEW, "again": NEW})
    Client().post(LOGIN, {"username": "ada", "password": NEW + "?"})
    theirs = signed_in(User.objects.get(username="ada"))
    page = theirs.post("/accounts/me/tokens", {"name": "t", "scope": "read", "days": "7"})
    secret = re.search(r'id="secret" value="(\w+)"', page.content.decode())
    assert secret is not None
    trail = json.dumps(list(AuditEvent.objects.values()), default=str)
    token = ApiToken.objects.get()
    for hidden in (NEW, link.split("/")[-1], secret[1], token.digest, token.token_key):
        assert hidden not in trail
