"""Reading without signing in: off, unless the site says otherwise; and then no more than that."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.roles import ANONYMOUS_PERMISSIONS, Role
from tests.accounts.people import person_make, signed_in
from tests.factories import cluster_of_four

pytestmark = pytest.mark.django_db
OPEN = (
    "/",
    "/pools",
    "/node/0",
    "/trends",
    "/api/topology",
    "/api/system",
    "/fragments/connection",
)
CLOSED = ("/jobs", "/people", "/people/roles", "/audit", "/accounts/me", "/accounts/me/tokens")


@pytest.fixture(autouse=True)
def _cluster(db: None) -> None:
    cluster_of_four(at=timezone.now())


def test_it_is_off() -> None:
    for path in (*OPEN, *CLOSED):
        assert Client().get(path).status_code in (302, 401), path


def test_switched_on_it_opens_what_viewers_see_of_the_cluster(settings: Any) -> None:
    settings.PORTAL_ANONYMOUS_READ = True
    assert {"view_live", "view_config"} == ANONYMOUS_PERMISSIONS
    client = Client()
    for path in OPEN:
        assert client.get(path).status_code == 200, path
    page = client.get("/").content.decode()
    assert "Sign in" in page
    assert "Sign out" not in page
    assert 'href="/jobs"' not in page


def test_and_nothing_else(settings: Any) -> None:
    settings.PORTAL_ANONYMOUS_READ = True
    client = Client()
    for path in CLOSED:
        assert client.get(path).headers["Location"].startswith("/accounts/login/"), path
    for path in ("/admin/", "/node/0/actions/restart"):
        assert client.get(path).headers["Location"].startswith("/accounts/login/"), path
    assert client.get("/api/jobs").status_code in (401, 403)
    for path in ("/api/topology/node/0/shutdown", "/api/topology/node/0/restart"):
        assert client.post(path).status_code in (401, 403), path


def test_a_bad_token_is_still_refused(settings: Any) -> None:
    settings.PORTAL_ANONYMOUS_READ = True
    answer = Client().get("/api/topology", headers={"Authorization": "Token nonsense"})
    assert answer.status_code == 401


def test_people_without_a_role_see_no_less_than_strangers(settings: Any) -> None:
    client = signed_in(person_make(None))
    assert client.get("/").status_code == 403
    settings.PORTAL_ANONYMOUS_READ = True
    assert client.get("/").status_code == 200
    assert signed_in(person_make(Role.OPERATOR)).get("/jobs").status_code == 200
