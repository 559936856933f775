"""The sign-in page: who gets in, who is locked out, and where one lands."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.cluster.services import cluster_ensure
from apps.common.time import utc_now
from tests.accounts.people import PASSWORD

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"


@pytest.fixture
def viewer(person: Callable[[Role | None], User]) -> User:
    cluster_ensure(at=utc_now())  # the pages that are asked for show it
    return person(Role.VIEWER)


def sign_in(client: Client, password: str = PASSWORD, **more: str) -> Any:
    return client.post(LOGIN, {"username": "viewer", "password": password} | more)


def test_the_right_password_opens_the_page_that_was_asked_for(viewer: User) -> None:
    client = Client()
    asked = client.get("/pools")
    answer = client.post(asked.headers["Location"], {"username": "viewer", "password": PASSWORD})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/pools"
    assert client.get("/pools").status_code == 200


def test_it_never_sends_anybody_to_another_site(viewer: User) -> None:
    answer = sign_in(Client(), next="https://evil.example/")
    assert answer.headers["Location"] == "/"


def test_a_wrong_password_and_an_unknown_name_read_alike(viewer: User) -> None:
    texts = []
    for name in ("viewer", "nobody-of-that-name"):
        answer = Client().post(LOGIN, {"username": name, "password": "wrong"})
        assert answer.status_code == 200
        page = re.sub(r'(value|data-now|name="csrf\w+")="[^"]*"', "", answer.content.decode())
        texts.append(re.sub(r"nobody-of-that-name|viewer", "NAME", page))
    assert "is not right" in texts[0]
    assert texts[0] == texts[1]


def test_a_service_account_can_not_sign_in(viewer: User) -> None:
    User.objects.filter(pk=viewer.pk).update(is_service=True)
    assert sign_in(Client()).status_code == 200


def test_too_many_wrong_passwords_lock_the_name_out_at_that_address(
    viewer: User, time_machine: Any
) -> None:
    time_machine.move_to(utc_now(), tick=False)
    client = Client()
    for _ in range(settings.AXES_FAILURE_LIMIT):
        last = sign_in(client, "wrong")
    assert last.status_code == 429
    locked = sign_in(client)
    assert locked.status_code == 429
    assert locked.headers["Retry-After"] == str(int(settings.AXES_COOLOFF_TIME.total_seconds()))
    assert "Wait 15 minutes" in locked.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_lock_ends(viewer: User, time_machine: Any) -> None:
    now = utc_now()
    time_machine.move_to(now, tick=False)
    client = Client()
    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in(client, "wrong")
    time_machine.move_to(now + settings.AXES_COOLOFF_TIME + timedelta(seconds=1), tick=False)
    assert sign_in(client).status_code == 302


def test_another_address_is_not_locked_out(viewer: User) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in(Client(REMOTE_ADDR="192.0.2.1"), "wrong")
    assert sign_in(Client(REMOTE_ADDR="192.0.2.2")).status_code == 302


def test_a_claimed_address_does_not_escape_the_lock(viewer: User) -> None:
    for number in range(settings.AXES_FAILURE_LIMIT):
        sign_in(Client(headers={"X-Forwarded-For": f"198.51.100.{number}"}), "wrong")
    assert sign_in(Client(headers={"X-Forwarded-For": "198.51.100.99"})).status_code == 429


def test_the_right_password_forgets_the_wrong_ones(viewer: User) -> None:
    for _ in range(2):
        for _ in range(settings.AXES_FAILURE_LIMIT - 1):
            sign_in(Client(), "wrong")
        assert sign_in(Client()).status_code == 302


def test_signing_out_ends_the_session_on_the_server(viewer: User) -> None:
    client = Client()
    sign_in(client)
    stolen = client.cookies[settings.SESSION_COOKIE_NAME].value
    assert client.post("/accounts/logout/").status_code == 302
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = stolen
    assert thief.get("/pools").status_code == 302


def test_signing_out_by_a_link_is_not_possible(viewer: User) -> None:
    client = Client()
    sign_in(client)
    assert client.get("/accounts/logout/").status_code == 405
    assert client.get("/pools").status_code == 200


def test_a_new_password_ends_the_other_sessions(viewer: User) -> None:
    client = Client()
    sign_in(client)
    viewer.set_password("another long pass phrase")
    viewer.save()
    assert client.get("/pools").status_code == 302


def test_an_inactive_person_is_out_with_the_next_request(viewer: User) -> None:
    client = Client()
    sign_in(client)
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    assert client.get("/pools").status_code == 302


def test_signing_in_needs_the_csrf_token(viewer: User) -> None:
    answer = sign_in(Client(enforce_csrf_checks=True))
    assert answer.status_code == 403
    assert "does not prove" in answer.content.decode()


def test_the_cookies_are_out_of_reach_of_scripts_and_other_sites(viewer: User) -> None:
    client = Client()
    client.get(LOGIN)
    sign_in(client)
    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        assert client.cookies[name]["httponly"]
        assert client.cookies[name]["samesite"] == "Lax"


def test_a_fragment_of_a_page_left_open_sends_the_whole_page_to_sign_in() -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/pools?q=ram"}
    answer = Client().get("/pools", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=%2Fpools%3Fq%3Dram"


def test_a_fragment_does_not_take_a_foreign_page_s_address() -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "https://evil.example/x"}
    answer = Client().get("/pools", headers=headers)
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=%2F"


def test_who_asks_and_what_they_may_costs_at_most_three_queries(
    viewer: User, django_assert_max_num_queries: Any
) -> None:
    client = Client()
    sign_in(client)
    # Session, person, permissions; the cache may spare the first.
    with django_assert_max_num_queries(3):
        client.get("/api/docs")
