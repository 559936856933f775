"""One's own profile: the time zone and the theme that pages then have."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.audit.services import Actor, audit_record
from apps.cluster.services import cluster_ensure
from apps.common.time import utc_now
from tests.accounts.people import signed_in

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 7, 1, 12, 0, 1, tzinfo=UTC)
FORM = {"time_zone": "", "theme": "system", "first_name": "", "last_name": "", "email": ""}


@pytest.fixture
def admin(person: Callable[[Role | None], User]) -> User:
    cluster_ensure(at=utc_now())
    audit_record(action="x.y", actor=Actor.portal(), at=NOON)
    return person(Role.ADMINISTRATOR)


def save(client: Client, **fields: str) -> Any:
    return client.post("/accounts/me", FORM | fields)


def time_shown(client: Client, path: str = "/audit?action=x.y") -> str:
    page = client.get(path).content.decode()
    found = re.search(r'<time datetime="2026-07-01T12:00:01.000Z"[^>]*>([^<]+)</time>', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("", "1 Jul 2026, 12:00:01 UTC"),
        ("Europe/Berlin", "1 Jul 2026, 14:00:01 CEST"),
        ("America/Sao_Paulo", "1 Jul 2026, 09:00:01 GMT-3"),
        ("Asia/Kathmandu", "1 Jul 2026, 17:45:01 GMT+5:45"),
        ("Pacific/Kiritimati", "2 Jul 2026, 02:00:01 GMT+14"),
    ],
)
def test_times_are_in_the_zone_of_the_profile_which_is_named(
    admin: User, zone: str, text: str
) -> None:
    client = signed_in(admin)
    assert save(client, time_zone=zone).status_code == 302
    assert time_shown(client) == text
    page = client.get("/").content.decode()
    assert ("data-time-zone=" in page) is bool(zone)


def test_the_admin_site_is_in_that_zone_too(admin: User) -> None:
    client = signed_in(admin)
    save(client, time_zone="Europe/Berlin")
    assert "1 Jul 2026, 14:00:01 CEST" in client.get("/admin/audit/auditevent/").content.decode()


def test_one_request_s_zone_is_not_the_next_one_s(admin: User) -> None:
    client = signed_in(admin)
    save(client, time_zone="Europe/Berlin")
    client.get("/audit")
    other = User.objects.create_user("other", password="a long enough pass phrase")
    other.groups.set(admin.groups.all())
    assert time_shown(signed_in(other)) == "1 Jul 2026, 12:00:01 UTC"


def test_the_theme_is_on_every_page(admin: User) -> None:
    client = signed_in(admin)
    save(client, theme="dark")
    for path in ("/", "/audit", "/people", "/accounts/me"):
        page = client.get(path).content.decode()
        assert ' data-theme="dark" data-account-theme="dark"' in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"theme": "pink"},
        {"email": "no address"},
    ],
)
def test_what_can_not_be_is_refused(admin: User, wrong: dict[str, str]) -> None:
    client = signed_in(admin)
    assert save(client, **wrong).status_code == 400
    admin.refresh_from_db()
    assert (admin.time_zone, admin.theme, admin.email) == ("", "system", "")


def test_a_zone_that_this_machine_does_not_know_does_no_harm(admin: User) -> None:
    User.objects.filter(pk=admin.pk).update(time_zone="Atlantis/Capital")
    assert time_shown(signed_in(admin)) == "1 Jul 2026, 12:00:01 UTC"


def test_nobody_gives_themselves_more_than_a_profile_holds(
    person: Callable[[Role | None], User],
) -> None:
    viewer = person(Role.VIEWER)
    save(signed_in(viewer), username="root", is_superuser="1", groups="3", is_service="1")
    viewer.refresh_from_db()
    assert (viewer.username, viewer.is_superuser, viewer.is_service) == ("viewer", False, False)
    assert [group.name for group in viewer.groups.all()] == ["viewer"]
