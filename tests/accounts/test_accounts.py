"""Making accounts: by service, by command line, and the first one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.errors import AccountInvalid, PasswordTooWeak
from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.services import account_save, first_administrator_ensure, token_create
from apps.common.time import utc_now
from tests.factories import AT

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough pass phrase"


def portal_account(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("portal_account", *arguments, "--json", stdout=out)
    said: dict[str, Any] = json.loads(out.getvalue())
    return said


@pytest.mark.parametrize(
    "password", ["short", "password12345", "123456789012345", "adalovelace1815"]
)
def test_a_weak_password_is_refused_and_nothing_is_saved(password: str) -> None:
    with pytest.raises(PasswordTooWeak):
        account_save(username="adalovelace", role=Role.VIEWER, password=password, at=AT)
    assert not User.objects.exists()


def test_a_new_account_needs_a_password() -> None:
    with pytest.raises(AccountInvalid, match="needs a password"):
        account_save(username="ada", role=Role.VIEWER, at=AT)


def test_a_bad_name_is_refused() -> None:
    with pytest.raises(AccountInvalid, match="username"):
        account_save(username="a b<script>", role=Role.VIEWER, password=PASSWORD, at=AT)


def test_the_command_makes_an_account_with_a_password_and_a_token() -> None:
    said = portal_account("--username", "demo", "--role", "operator", "--token-name", "scripts")
    user = User.objects.get()
    assert said["created"] is True
    assert user.check_password(said["password"])
    assert [group.name for group in user.groups.all()] == ["operator"]
    token = ApiToken.objects.get()
    assert (token.name, token.scope) == ("scripts", ApiToken.Scope.OPERATE)
    assert said["token"] not in token.digest


def test_the_command_again_makes_a_fresh_token_and_keeps_the_password() -> None:
    first = portal_account("--username", "demo", "--role", "viewer", "--token-name", "scripts")
    second = portal_account("--username", "demo", "--role", "viewer", "--token-name", "scripts")
    assert second["created"] is False
    assert "password" not in second
    assert first["token"] != second["token"]
    assert ApiToken.objects.live(at=utc_now()).count() == 1
    assert User.objects.get().check_password(first["password"])


def test_the_command_reads_a_password_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    said = portal_account("--username", "ada", "--role", "administrator", "--password-stdin")
    assert "password" not in said
    assert User.objects.get().check_password(PASSWORD)


def test_the_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="12 characters"):
        portal_account("--username", "ada", "--role", "viewer", "--password-stdin")


def test_the_first_administrator_is_made_once() -> None:
    made = first_administrator_ensure(at=AT)
    assert made is not None
    user, password = made
    assert user.check_password(password)
    assert user.has_perm("accounts.manage_people")
    assert first_administrator_ensure(at=AT) is None


def test_with_an_administrator_no_other_is_made(
    person: Callable[[Role | None], User],
) -> None:
    person(Role.ADMINISTRATOR)
    assert first_administrator_ensure(at=AT) is None


def test_a_person_named_admin_is_not_taken_over(person: Callable[[Role | None], User]) -> None:
    """An account of that name without the role keeps its password and stays what it is."""
    taken, _ = account_save(username="admin", role=Role.VIEWER, password=PASSWORD, at=AT)
    made = first_administrator_ensure(at=AT)
    assert made is not None
    assert made[0].pk != taken.pk
    assert User.objects.get(pk=taken.pk).check_password(PASSWORD)
    assert not User.objects.get(pk=taken.pk).has_perm("accounts.manage_people")


def test_a_token_for_no_network_is_refused(person: Callable[[Role | None], User]) -> None:
    with pytest.raises(AccountInvalid, match="no network"):
        token_create(user=person(Role.VIEWER), name="t", allowed_network="10.0.0.0/99")
