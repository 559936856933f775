"""Signing in by a directory: a real slapd on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.accounts.selectors import role_of
from apps.accounts.services import account_access_set, account_save
from apps.audit.models import AuditEvent
from apps.audit.services import Actor
from apps.common.time import utc_now
from clio_portal.settings import sso
from clio_portal.settings.env import PREFIX, Reader
from tests.accounts import people
from tests.accounts.slapd import (
    ADMIN_DN,
    ADMIN_PASSWORD,
    GROUPS,
    PASSWORD,
    PEOPLE,
    SLAPD,
    Directory,
)

pytest.importorskip("ldap", reason="needs python-ldap (pip install -r requirements-ldap.txt)")
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.xdist_group("ldap"),
    pytest.mark.skipif(SLAPD is None, reason="needs slapd (on Debian: apt install slapd)"),
]
LOGIN = "/accounts/login/"
ROLES = "hpc-admins=administrator; HPC-Ops=operator; hpc-users=viewer"


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    with Directory(tmp_path_factory.mktemp("slapd")) as directory:
        yield directory


@pytest.fixture
def use(slapd: Directory, settings: Any) -> Callable[..., Directory]:
    """Switches it on as a site does: by variables."""
    slapd.empty()

    def switch_on(**more: str) -> Directory:
        given = {
            "LDAP_URL": slapd.url,
            "LDAP_START_TLS": "false",
            "LDAP_BIND_DN": ADMIN_DN,
            "LDAP_BIND_PASSWORD": ADMIN_PASSWORD,
            "LDAP_USER_BASE": PEOPLE,
            "LDAP_GROUP_BASE": GROUPS,
            "SSO_ROLES": ROLES,
        } | more
        reader = Reader({PREFIX + name: value for name, value in given.items()})
        for name, value in sso.ldap(reader).items():
            setattr(settings, name, value)
        settings.PORTAL_SSO_ROLES = sso.roles(reader)
        settings.PORTAL_SSO_DEFAULT_ROLE = given.get("SSO_DEFAULT_ROLE", "none")
        settings.AUTHENTICATION_BACKENDS = [
            *settings.AUTHENTICATION_BACKENDS,
            "apps.accounts.directory.DirectoryBackend",
        ]
        return slapd

    return switch_on


@pytest.fixture
def directory(use: Callable[..., Directory]) -> Directory:
    return use()


def sign_in(name: str, password: str = PASSWORD, client: Client | None = None) -> Any:
    return (client or Client()).post(LOGIN, {"username": name, "password": password})


def refused(answer: Any) -> str:
    """What the page says, which is the sign-in page still."""
    assert answer.status_code == 200
    return str(answer.context["form"].non_field_errors()[0])


def test_a_group_gives_the_role_and_the_directory_the_names(directory: Directory) -> None:
    directory.group("hpc-ops", directory.person("ada"))
    assert sign_in("ada").status_code == 302
    user = User.objects.get()
    assert (user.username, user.source, role_of(user)) == ("ada", "ldap", Role.OPERATOR)
    assert (user.get_full_name(), user.email) == ("Ada Lovelace", "ada@example.org")
    assert not user.has_usable_password()
    event = AuditEvent.objects.get(action="auth.sign_in")
    assert (event.actor_name, event.after) == ("ada", {"by": "ldap", "role": "operator"})


def test_its_pages_open_and_close_with_its_role(directory: Directory) -> None:
    directory.group("hpc-users", directory.person("ada"))
    client = Client()
    sign_in("ada", client=client)
    assert client.get("/accounts/me").status_code == 200
    assert client.get("/people").status_code == 403


@pytest.mark.parametrize("password", ["wrong", "", "*"])
def test_a_wrong_password_opens_nothing_and_makes_nothing(
    directory: Directory, password: str
) -> None:
    directory.group("hpc-ops", directory.person("ada"))
    assert sign_in("ada", password).status_code == 200
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["*", "ada)(uid=*", "a*"])
def test_a_name_is_no_filter(directory: Directory, name: str) -> None:
    directory.group("hpc-ops", directory.person("ada"))
    assert "not right" in refused(sign_in(name))
    assert not User.objects.exists()


def test_the_highest_of_several_roles_counts_and_whole_dns_do_too(
    use: Callable[..., Directory],
) -> None:
    directory = use(SSO_ROLES=f"{ROLES}; cn=root,{GROUPS}=administrator")
    ada = directory.person("ada")
    directory.group("hpc-users", ada)
    directory.group("root", ada)
    sign_in("ada")
    assert role_of(User.objects.get()) is Role.ADMINISTRATOR


def test_somebody_in_no_such_group_is_kept_out_and_told_why(directory: Directory) -> None:
    directory.group("others", directory.person("ada"))
    client = Client()
    assert "in no group that may use" in refused(sign_in("ada", client=client))
    assert "_auth_user_id" not in client.session
    assert not User.objects.exists()
    event = AuditEvent.objects.get(action="auth.sign_in_failed")
    assert event.target_name == "ada"
    assert "in no group" in event.reason


def test_or_may_look_where_the_site_says_so(use: Callable[..., Directory]) -> None:
    use(SSO_DEFAULT_ROLE="viewer").person("ada")
    assert sign_in("ada").status_code == 302
    assert role_of(User.objects.get()) is Role.VIEWER


def test_another_group_is_another_role_at_the_next_sign_in(directory: Directory) -> None:
    ada = directory.person("ada")
    admins = directory.group("hpc-admins", ada)
    sign_in("ada")
    directory.remove(admins)
    directory.group("hpc-users", ada)
    assert sign_in("ada").status_code == 302
    assert role_of(User.objects.get()) is Role.VIEWER
    changes = AuditEvent.objects.filter(action="account.role")
    assert [(one.before, one.after, one.actor_name) for one in changes] == [
        ({"role": "administrator"}, {"role": "viewer"}, "portal")
    ]


def test_leaving_all_groups_takes_the_role_from_open_sessions_too(directory: Directory) -> None:
    group = directory.group("hpc-users", directory.person("ada"))
    client = Client()
    sign_in("ada", client=client)
    directory.remove(group)
    assert "in no group" in refused(sign_in("ada"))
    assert role_of(User.objects.get()) is None
    assert client.get("/api/docs").status_code == 403


def test_a_person_whom_the_portal_keeps_out_stays_out(directory: Directory) -> None:
    directory.group("hpc-users", directory.person("ada"))
    sign_in("ada")
    portal = Actor.portal()
    account_access_set(User.objects.get(), active=False, actor=portal, at=utc_now())
    assert "deactivated" in refused(sign_in("ada"))


def test_a_person_whom_the_directory_has_disabled_stays_out(
    use: Callable[..., Directory],
) -> None:
    directory = use(LDAP_USER_FILTER="(&(uid=%(user)s)(!(employeeType=disabled)))")
    directory.group("hpc-users", directory.person("ada"))
    assert sign_in("ada").status_code == 302
    import ldap

    directory.connection().modify_s(
        f"uid=ada,{PEOPLE}", [(ldap.MOD_ADD, "employeeType", [b"disabled"])]
    )
    assert "not right" in refused(sign_in("ada"))


def test_the_directory_does_not_open_the_portal_s_own_accounts(directory: Directory) -> None:
    local, _ = account_save(
        username="ada", role=Role.ADMINISTRATOR, password=people.PASSWORD, at=utc_now()
    )
    directory.group("hpc-users", directory.person("ada"))
    assert "Another account" in refused(sign_in("ada"))
    assert sign_in("ada", people.PASSWORD).status_code == 302
    local.refresh_from_db()
    assert (local.source, role_of(local)) == ("portal", Role.ADMINISTRATOR)


def test_spelt_otherwise_it_is_the_same_account(directory: Directory) -> None:
    directory.group("hpc-users", directory.person("ada"))
    for name in ("ada", "ADA", " Ada "):
        assert sign_in(name).status_code == 302
    assert User.objects.get().username == "ada"


def test_wrong_passwords_lock_it_out_however_it_is_spelt(
    directory: Directory, settings: Any
) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    directory.group("hpc-users", directory.person("ada"))
    for name in ("ada", "Ada", "ADA"):
        last = sign_in(name, "wrong")
    assert last.status_code == 429
    assert sign_in("ada").status_code == 429


def test_a_fresh_password_is_asked_of_the_directory(directory: Directory) -> None:
    directory.group("hpc-users", directory.person("ada"))
    client = Client()
    sign_in("ada", client=client)
    session = client.session
    session["portal_fresh_at"] = 0
    session.save()
    assert client.get("/accounts/me/tokens").headers["Location"].startswith("/accounts/confirm")
    wrong = client.post("/accounts/confirm", {"password": "wrong", "next": "/accounts/me/tokens"})
    assert wrong.status_code == 200
    right = client.post("/accounts/confirm", {"password": PASSWORD, "next": "/accounts/me/tokens"})
    assert right.headers["Location"] == "/accounts/me/tokens"
    assert client.get("/accounts/me/tokens").status_code == 200


def test_while_the_directory_is_away_the_page_says_so_and_local_accounts_work(
    directory: Directory, person: Callable[[Role | None], User]
) -> None:
    person(Role.VIEWER)
    directory.group("hpc-users", directory.person("ada"))
    directory.stop()
    try:
        assert "does not answer" in refused(sign_in("ada"))
        assert sign_in("viewer", people.PASSWORD).status_code == 302
    finally:
        directory.start()
    assert sign_in("ada").status_code == 302


def test_it_is_encrypted_and_the_certificate_checked(use: Callable[..., Directory]) -> None:
    directory = use(LDAP_START_TLS="true", LDAP_CA_FILE="")
    directory.group("hpc-users", directory.person("ada"))
    assert "does not answer" in refused(sign_in("ada"))
    use(LDAP_START_TLS="true", LDAP_CA_FILE=str(directory.ca_file))
    assert sign_in("ada").status_code == 302


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"LDAP_URL": "http://x"}, "LDAP_URL"),
        ({"LDAP_URL": "ldap://far.example", "LDAP_START_TLS": "false"}, "in clear"),
        ({"LDAP_URL": "ldaps://far.example"}, "LDAP_USER_BASE"),
        (
            {"LDAP_URL": "ldaps://x", "LDAP_USER_BASE": "o=x", "LDAP_USER_FILTER": "(uid=ada)"},
            "must hold %",
        ),
    ],
)
def test_a_wrong_setting_stops_the_start(given: dict[str, str], says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        sso.ldap(Reader({PREFIX + name: value for name, value in given.items()}))


@pytest.mark.parametrize("text", ["operator", "x=boss", "=viewer"])
def test_a_wrong_role_stops_the_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SSO_ROLES"):
        sso.roles(Reader({f"{PREFIX}SSO_ROLES": text}))
