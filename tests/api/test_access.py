"""Who may read what, and what everybody else is told."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.roles import Role
from tests.api import situations
from tests.api.conftest import person, token_client

pytestmark = pytest.mark.django_db

PATHS = [
    "/api/",
    "/api/topology",
    "/api/system",
    "/api/workers",
    "/api/pools",
    "/api/config",
    "/api/node/0/workers",
    "/api/node/0/system_stats",
    "/api/node/0/bdev_stats",
    "/api/node/0/container_stats",
]


def test_without_credentials_401_names_the_way_in() -> None:
    situations.healthy()
    for path in PATHS:
        for form in (path, f"{path.rstrip('/')}/"):
            response = Client().get(form)
            assert response.status_code == 401
            assert response["WWW-Authenticate"] == "Token"
            assert response.json().keys() == {"error", "code"}


@pytest.mark.parametrize("path", ["/api/node/99/workers", "/api/node/abc/workers"])
def test_without_credentials_nobody_learns_which_nodes_exist(path: str) -> None:
    situations.healthy()
    assert Client().get(path).status_code == 401


@pytest.mark.parametrize("role", list(Role))
def test_every_role_reads_everything_by_token_and_by_session(role: Role) -> None:
    situations.healthy()
    user = person(role)
    browser = Client()
    browser.force_login(user, "apps.accounts.backends.PortalBackend")
    for way in (token_client(user), browser):
        found = {path: way.get(path).status_code for path in PATHS}
        assert found == dict.fromkeys(PATHS, 200)


def test_a_person_without_a_role_is_403(viewer: User) -> None:
    situations.healthy()
    viewer.groups.clear()
    client = token_client(viewer)
    found = {path: client.get(path) for path in PATHS}
    assert {path: response.status_code for path, response in found.items()} == dict.fromkeys(
        PATHS, 403
    )
    assert {response.json()["code"] for response in found.values()} == {"permission_denied"}


def test_the_configuration_has_a_permission_of_its_own(viewer: User) -> None:
    situations.healthy()
    Group.objects.get(name=Role.VIEWER).permissions.filter(codename="view_config").delete()
    client = token_client(viewer)
    assert client.get("/api/config").status_code == 403
    assert client.get("/api/topology").status_code == 200


@pytest.mark.parametrize(
    "header", ["Token", "Token x", "Token a b", "Token \xe9", "Token " + "0" * 64]
)
def test_a_bad_token_is_401(header: str) -> None:
    situations.healthy()
    response = Client().get("/api/topology", headers={"authorization": header})
    assert (response.status_code, response.json()["code"]) == (401, "bad_token")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_wrong_method_is_405_with_allow(viewer: User, method: str) -> None:
    situations.healthy()
    browser = Client()
    browser.force_login(viewer, "apps.accounts.backends.PortalBackend")
    for path in PATHS:
        response = getattr(browser, method)(path)
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert "GET" in response["Allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/nothing",
        "/api/node/0",
        "/api/node/0/nothing",
        "/api/node//workers",
        "/api/topology/x",
        "/api/..%2fadmin",
        "/api/%00",
    ],
)
def test_an_unknown_path_is_404_in_json(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_a_failure_of_the_portal_is_500_in_json(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    situations.healthy()

    def fail(*, at: object) -> None:
        raise ZeroDivisionError("<b>secret detail</b>")

    monkeypatch.setattr("apps.nodes.api.views.topology_cached", fail)
    client.raise_request_exception = False
    response = client.get("/api/system")
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert b"secret detail" not in response.content


@pytest.mark.parametrize("name", ["api-topology", "api-system", "api-workers", "api-pools"])
def test_the_documented_form_is_the_one_that_is_linked(name: str) -> None:
    assert not reverse(name).endswith("/")
