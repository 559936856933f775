"""Roles: what the table says, what the migration wrote, what a person may do."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group

from apps.accounts.models import User
from apps.accounts.roles import (
    PERMISSIONS,
    ROLE_PERMISSIONS,
    Role,
    matrix_markdown,
    permission_full_name,
)
from apps.accounts.services import COMMAND_LINE, account_role_set, account_save
from apps.cluster.services import cluster_ensure
from tests.accounts.people import signed_in
from tests.factories import AT
from tests.platform.process import ROOT

pytestmark = pytest.mark.django_db


def test_the_migration_wrote_the_table() -> None:
    written = {
        group.name: set(group.permissions.values_list("codename", flat=True))
        for group in Group.objects.all()
    }
    assert written == {role.value: set(names) for role, names in ROLE_PERMISSIONS.items()}


def test_the_model_declares_the_same_permissions() -> None:
    assert {codename for codename, _ in User._meta.permissions} == PERMISSIONS


def test_only_the_administrator_manages_people_and_only_from_operator_on_nodes_stop() -> None:
    holders = {
        name: {role for role, names in ROLE_PERMISSIONS.items() if name in names}
        for name in PERMISSIONS
    }
    assert holders["view_live"] == set(Role)
    assert holders["operate_nodes"] == {Role.OPERATOR, Role.ADMINISTRATOR}
    assert holders["manage_people"] == {Role.ADMINISTRATOR}
    assert holders["manage_settings"] == {Role.ADMINISTRATOR}


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("name", sorted(PERMISSIONS))
def test_a_person_has_the_permissions_of_the_role(
    role: Role | None, name: str, person: Callable[[Role | None], User]
) -> None:
    expected = role is not None and name in ROLE_PERMISSIONS[role]
    assert person(role).has_perm(permission_full_name(name)) is expected


def test_a_new_role_replaces_the_old_one(person: Callable[[Role | None], User]) -> None:
    user = person(Role.OPERATOR)
    account_role_set(user, role=Role.VIEWER, actor=COMMAND_LINE, at=AT)
    fresh = User.objects.get(pk=user.pk)
    assert fresh.has_perm("accounts.view_live")
    assert not fresh.has_perm("accounts.operate_nodes")


def test_a_permission_of_one_s_own_counts_too(person: Callable[[Role | None], User]) -> None:
    user = person(None)
    group = Group.objects.get(name="administrator")
    user.user_permissions.add(group.permissions.get(codename="view_audit"))
    assert User.objects.get(pk=user.pk).get_all_permissions() == {"accounts.view_audit"}


def test_an_inactive_person_has_none(person: Callable[[Role | None], User]) -> None:
    user = person(Role.ADMINISTRATOR)
    user.is_active = False
    assert user.get_all_permissions() == set()


def test_a_superuser_has_all(person: Callable[[Role | None], User]) -> None:
    user = person(None)
    user.is_superuser = True
    user.save()
    assert all(user.has_perm(permission_full_name(name)) for name in PERMISSIONS)


def test_permissions_cost_one_query_a_request(
    person: Callable[[Role | None], User], django_assert_num_queries: Callable[[int], object]
) -> None:
    user = person(Role.OPERATOR)
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        assert user.has_perm("accounts.view_live")
        assert user.has_perm("accounts.operate_nodes")
        assert not user.has_perm("accounts.manage_people")


def test_an_unknown_permission_is_a_mistake_of_the_code() -> None:
    with pytest.raises(ValueError, match="fly"):
        permission_full_name("fly")


def test_saving_an_account_again_changes_role_and_keeps_the_password() -> None:
    password = "a long enough pass phrase"
    user, created = account_save(username="ada", role=Role.VIEWER, password=password, at=AT)
    assert created
    again, created_again = account_save(username="ada", role=Role.OPERATOR, at=AT)
    assert not created_again
    assert again.pk == user.pk
    assert again.check_password(password)
    assert [group.name for group in again.groups.all()] == ["operator"]


def test_the_documentation_holds_the_table_of_the_code() -> None:
    text = (ROOT / "docs" / "accounts.md").read_text()
    begin = text.index("-->", text.index("<!-- matrix: begin")) + len("-->\n")
    assert text[begin : text.index("<!-- matrix: end")] == matrix_markdown()


def test_administrators_are_shown_the_table(person: Callable[[Role | None], User]) -> None:
    cluster_ensure(at=AT)
    page = signed_in(person(Role.ADMINISTRATOR)).get("/people/roles").content.decode()
    shown = {}
    for row in re.findall(r'<tr><th scope="row">(.*?)</tr>', page):
        name = re.findall(r"<span>(\w+)</span>", row)[0]
        shown[name] = re.findall(r"<td>.*?>(yes|no)\b", row)[: len(Role)]
    assert shown == {
        name: ["yes" if name in ROLE_PERMISSIONS[role] else "no" for role in Role]
        for name in PERMISSIONS
    }
