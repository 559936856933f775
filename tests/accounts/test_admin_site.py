"""The admin site: who sees and changes what, what is recorded, and that nothing secret shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.accounts.services import token_create, token_revoke
from apps.audit.models import AuditEvent
from apps.cluster.models import Cluster, ConfigVersion
from apps.cluster.services import cluster_ensure
from apps.common.time import utc_now
from apps.control.models import NodeAccess
from apps.nodes.models import Node
from tests.accounts.people import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster(db: None) -> Cluster:
    return cluster_ensure(at=utc_now())


@pytest.fixture
def admin(cluster: Cluster, person: Callable[[Role | None], User]) -> User:
    return person(Role.ADMINISTRATOR)


@pytest.fixture
def client(admin: User) -> Client:
    return signed_in(admin)


def group_pk(role: Role) -> int:
    return Group.objects.get(name=role.value).pk


def save_user(client: Client, user: User, *groups: int, **fields: str) -> Any:
    form = {"first_name": "", "last_name": "", "email": "", "is_active": "on"} | fields
    form = {name: value for name, value in form.items() if value != "off"}
    where = f"/admin/accounts/user/{user.pk}/change/"
    return client.post(where, form | {"groups": [str(pk) for pk in groups]})


def last_event() -> Any:
    return AuditEvent.objects.order_by("-number")[0]


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.OPERATOR])
def test_only_administrators_come_in(
    role: Role | None, cluster: Cluster, person: Callable[[Role | None], User]
) -> None:
    assert signed_in(person(role)).get("/admin/").status_code == 403
    assert Client().get("/admin/").headers["Location"].startswith("/accounts/login/")


def test_forms_ask_for_a_fresh_password_and_lists_do_not(client: Client, admin: User) -> None:
    session = client.session
    session["portal_fresh_at"] = 0
    session.save()
    assert client.get("/admin/accounts/user/").status_code == 200
    answer = client.get(f"/admin/accounts/user/{admin.pk}/change/")
    assert answer.headers["Location"].startswith("/accounts/confirm?next=")
    assert save_user(client, admin).headers["Location"].startswith("/accounts/confirm?next=")


def test_signing_out_and_passwords_are_the_portal_s(client: Client) -> None:
    assert client.get("/admin/password_change/").headers["Location"] == "/accounts/me/password"
    client.post("/admin/logout/")
    assert last_event().action == "auth.sign_out"


def test_a_change_of_a_person_is_in_the_trail(
    client: Client, person: Callable[[Role | None], User]
) -> None:
    viewer = person(Role.VIEWER)
    save_user(client, viewer, group_pk(Role.VIEWER), first_name="Vera")
    event = last_event()
    assert (event.action, event.actor_name) == ("account.change", "administrator")
    assert event.after["first_name"] == "Vera"
    save_user(client, viewer, group_pk(Role.OPERATOR), first_name="Vera")
    event = last_event()
    assert event.action == "account.role"
    assert (event.before["role"], event.after["role"]) == ("viewer", "operator")
    theirs = signed_in(User.objects.get(pk=viewer.pk))
    save_user(client, viewer, group_pk(Role.OPERATOR), first_name="Vera", is_active="off")
    assert last_event().after["active"] is False
    assert theirs.get("/accounts/me").status_code == 302


def test_the_rules_of_the_portal_hold_there_too(
    client: Client, admin: User, person: Callable[[Role | None], User]
) -> None:
    viewer = person(Role.VIEWER)
    both = save_user(client, viewer, group_pk(Role.VIEWER), group_pk(Role.OPERATOR))
    assert "One role each" in both.content.decode()
    own = save_user(client, admin, group_pk(Role.VIEWER))
    assert "administrator" in own.content.decode()
    assert own.status_code == 200
    off = save_user(client, admin, group_pk(Role.ADMINISTRATOR), is_active="off")
    assert off.status_code == 200
    admin.refresh_from_db()
    assert admin.is_active
    assert [group.name for group in admin.groups.all()] == ["administrator"]


def test_nothing_that_is_not_on_the_form_can_be_set(
    client: Client, person: Callable[[Role | None], User]
) -> None:
    viewer = person(Role.VIEWER)
    password = viewer.password
    more = {"is_superuser": "on", "username": "root", "password": "x", "source": "ldap"}
    save_user(client, viewer, group_pk(Role.VIEWER), **more)
    viewer.refresh_from_db()
    assert (viewer.is_superuser, viewer.username, viewer.password, viewer.source) == (
        False,
        "viewer",
        password,
        "portal",
    )
    for path in ("add/", f"{viewer.pk}/delete/"):
        assert client.get(f"/admin/accounts/user/{path}").status_code == 403


def test_roles_are_shown_and_fixed_and_other_groups_are_recorded(client: Client) -> None:
    where = f"/admin/auth/group/{group_pk(Role.VIEWER)}/"
    assert "Can see nodes, workers" in client.get(f"{where}change/").content.decode()
    assert client.post(f"{where}change/", {"name": "viewer"}).status_code == 403
    assert client.post(f"{where}delete/", {"post": "yes"}).status_code == 403
    trail = Permission.objects.get(codename="view_audit")
    client.post("/admin/auth/group/add/", {"name": "auditors", "permissions": [trail.pk]})
    event = last_event()
    assert (event.action, event.after) == (
        "group.create",
        {"name": "auditors", "permissions": ["view_audit"]},
    )
    group = Group.objects.get(name="auditors")
    client.post(f"/admin/auth/group/{group.pk}/change/", {"name": "auditors"})
    assert last_event().action == "group.change"
    client.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
    assert last_event().action == "group.delete"
    other = Permission.objects.get(codename="add_user")
    form = {"name": "sly", "permissions": [other.pk]}
    assert client.post("/admin/auth/group/add/", form).status_code == 200
    assert not Group.objects.filter(name="sly").exists()


def test_tokens_show_nothing_secret_and_are_not_changed_there(client: Client, admin: User) -> None:
    token, secret = token_create(user=admin, name="nightly", allowed_network="10.0.0.0/8")
    token_revoke(token)
    one = f"/admin/accounts/apitoken/{token.public_id}"
    assert client.get(f"{one}/history/").status_code == 404
    for path in ("/admin/accounts/apitoken/", f"{one}/change/"):
        answer = client.get(path)
        page = answer.content.decode()
        assert (path, answer.status_code) == (path, 200)
        assert "nightly" in page
        for hidden in (secret, token.digest, token.token_key):
            assert hidden not in page
    assert f"{one}/change/" in client.get("/admin/accounts/apitoken/?q=nightly").content.decode()
    assert client.post(f"{one}/change/", {"name": "x"}).status_code == 403
    assert client.get(f"/admin/accounts/apitoken/{token.digest}/change/").status_code == 302
    for path in ("/admin/accounts/apitoken/add/", f"{one}/delete/"):
        assert client.get(path).status_code == 403


def test_a_node_s_ssh_settings_are_set_and_recorded(client: Client, cluster: Cluster) -> None:
    node = Node.objects.create(
        cluster=cluster, node_id=0, host="<i>n0</i>", port=9413, created_at=utc_now()
    )
    where = f"/admin/nodes/node/{node.pk}/change/"
    assert "<i>n0" not in client.get(where).content.decode()
    form = {
        "access-TOTAL_FORMS": "1",
        "access-INITIAL_FORMS": "0",
        "access-0-node": str(node.pk),
        "access-0-user": "clio",
        "access-0-port": "2222",
        "access-0-environment": "{}",
        "host": "elsewhere",
    }
    assert client.post(where, form).status_code == 302
    node.refresh_from_db()
    assert node.host == "<i>n0</i>"  # the host list says that
    access = NodeAccess.objects.get(node=node)
    assert (access.user, access.port) == ("clio", 2222)
    event = last_event()
    assert (event.action, event.after) == ("access.set", {"user": "clio", "port": 2222})
    form |= {"access-INITIAL_FORMS": "1", "access-0-id": str(access.pk), "access-0-DELETE": "on"}
    client.post(where, form)
    assert last_event().action == "access.remove"
    assert "node 0" in client.get("/admin/nodes/node/?q=n0&state__exact=unknown").content.decode()
    for path in ("add/", f"{node.pk}/delete/"):
        assert client.get(f"/admin/nodes/node/{path}").status_code == 403


def test_a_configuration_version_shows_what_it_changed(client: Client, cluster: Cluster) -> None:
    for number, port in ((1, 9413), (2, 9500)):
        version = ConfigVersion.objects.create(
            cluster=cluster,
            number=number,
            path="/etc/clio.yaml",
            sha256=str(number) * 64,
            hosts=["a:9413"],
            read_at=utc_now(),
            config={"networking": {"port": port}, "name": "<script>"},
        )
    where = f"/admin/cluster/configversion/{version.pk}/change/"
    page = client.get(where).content.decode()
    assert '<span class="portal-diff__removed">-    port: 9413' in page
    assert '<span class="portal-diff__added">+    port: 9500' in page
    assert "/config?version=2" in page
    assert "name: <script>" not in page
    assert client.post(where, {"number": "9"}).status_code == 403
    assert "/etc/clio.yaml" in client.get("/admin/cluster/configversion/?q=clio").content.decode()


def test_the_retention_is_shown_with_a_way_to_the_portal_s_page(client: Client) -> None:
    assert "/admin/retention/" in client.get("/admin/").content.decode()
    page = client.get("/admin/retention/").content.decode()
    assert "14 days" in page
    assert "/history/storage" in page
    assert "731" not in client.get("/admin/retention/?resolution=raw").content.decode()
