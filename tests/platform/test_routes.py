"""Every route names its permission or is marked public, and keeps to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

from apps.accounts.api_permissions import RequiresPermission
from apps.accounts.decorators import SIGNED_IN
from apps.accounts.models import User
from apps.accounts.roles import PERMISSIONS, ROLE_PERMISSIONS, Role
from clio_portal.admin import ENTRY, PortalAdminSite

PUBLIC = {
    "login",
    "admin:login",
    "admin:logout",
    "logout",
    "set-password",
    "healthz",
    "readyz",
    "api-not-found",
}
NO_TOKEN = "00000000-0000-0000-0000-000000000000"
SAMPLE = {
    "int": "0",
    "str": "x",
    "slug": "x",
    "path": "x",
    "uuid": "00000000-0000-0000-0000-000000000000",
}


@dataclass(frozen=True)
class Route:
    path: str
    name: str
    view: Callable[..., Any]

    @property
    def is_public(self) -> bool:
        return getattr(self.view, "portal_public", False)

    @property
    def is_admin(self) -> bool:
        """Wrapped by the admin site, which asks for its permission when called."""
        wrapped = getattr(self.view, "admin_site", getattr(self.view, "model_admin", None))
        return isinstance(getattr(wrapped, "admin_site", wrapped), PortalAdminSite)

    @property
    def permissions(self) -> set[str]:
        """What it asks for; for an API view, of any of its actions."""
        if self.is_admin:
            return {ENTRY}
        view_class = getattr(self.view, "cls", None)
        if view_class is None:
            name = getattr(self.view, "portal_permission", None)
            return set() if name is None else {name}
        if view_class.permission_classes != [RequiresPermission]:
            return set()
        default = getattr(view_class, "required_permission", None)
        by_action = getattr(view_class, "required_permissions", {})
        return {*by_action.values(), *([default] if default else [])}


def walk(resolver: URLResolver, prefix: str = "/", space: str = "") -> Iterator[Route]:
    for entry in resolver.url_patterns:
        text = str(entry.pattern)
        if isinstance(entry.pattern, RegexPattern):
            text = text.split("(")[0].lstrip("^") + "/no-such-path"
        path = prefix + re.sub(r"<(\w+):\w+>", lambda match: SAMPLE[match[1]], text)
        if isinstance(entry, URLResolver):
            inner = f"{entry.namespace}:" if entry.namespace else space
            yield from walk(entry, path, inner)
        elif isinstance(entry, URLPattern):
            yield Route(path, space + (entry.name or ""), entry.callback)


ROUTES = list(walk(get_resolver()))
GUARDED = [route for route in ROUTES if not route.is_public]


def path_of(route: Route) -> str:
    return route.path


def test_the_walk_finds_the_routes() -> None:
    names = {route.name for route in ROUTES}
    assert {"login", "topology", "node", "pools", "config", "api-topology"} <= names


def test_only_these_routes_are_public() -> None:
    assert {route.name for route in ROUTES if route.is_public} == PUBLIC


@pytest.mark.parametrize("route", GUARDED, ids=path_of)
def test_every_other_route_names_permissions_that_exist(route: Route) -> None:
    assert route.permissions
    assert route.permissions <= PERMISSIONS | {SIGNED_IN}


@pytest.mark.django_db
def test_nobody_gets_in_without_signing_in(client: Client) -> None:
    assert [route.path for route in GUARDED if not asks_to_sign_in(route, client)] == []


def asks_to_sign_in(route: Route, client: Client) -> bool:
    answer = client.get(route.path)
    if hasattr(route.view, "cls"):
        return (
            answer.status_code == HTTPStatus.UNAUTHORIZED
            and answer.headers["WWW-Authenticate"] == "Token"
            and set(answer.json()) >= {"error", "code"}
        )
    return answer.status_code == HTTPStatus.FOUND and answer.headers["Location"].startswith(
        "/accounts/login/?next="
    )


@pytest.mark.django_db
@pytest.mark.parametrize("role", [None, *Role])
def test_each_role_gets_in_where_its_permissions_say(
    role: Role | None, person: Callable[[Role | None], User]
) -> None:
    held = {SIGNED_IN, *(ROLE_PERMISSIONS[role] if role else ())}
    client = Client(raise_request_exception=False)
    client.force_login(person(role), backend="apps.accounts.backends.PortalBackend")
    wrong = []
    for route in GUARDED:
        may = bool(route.permissions & held)
        if route.is_admin and may:
            continue  # what the site's pages ask for on top is theirs to test
        let_in = client.get(route.path).status_code != HTTPStatus.FORBIDDEN
        if let_in != may:
            wrong.append(route.path)
    assert wrong == []


@pytest.mark.django_db
def test_the_administrator_s_admin_site_shows_the_trail_and_its_sign_in_is_the_portal_s(
    client: Client, person: Callable[[Role | None], User]
) -> None:
    assert client.get("/admin/login/").headers["Location"] == "/accounts/login/"
    client.force_login(person(Role.ADMINISTRATOR), backend="apps.accounts.backends.PortalBackend")
    assert "/admin/audit/auditevent/" in client.get("/admin/").content.decode()
    assert client.get("/admin/audit/auditevent/").status_code == HTTPStatus.OK
    assert client.get("/admin/auth/permission/").status_code == HTTPStatus.NOT_FOUND
