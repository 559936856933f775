"""Every route × every method × everybody, held to the one table of access.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings as portal
from django.middleware.csrf import get_token
from django.test import Client, RequestFactory
from pytest_django import Settings

from apps.accounts.decorators import SIGNED_IN
from apps.accounts.models import ApiToken, User
from apps.accounts.roles import ROLE_PERMISSIONS, Role
from apps.accounts.services import token_create
from apps.common.time import utc_now
from tests.accounts.people import person_make
from tests.platform.access import ADMIN, ANYBODY, API, PAGES, Methods, methods_of
from tests.platform.test_routes import ROUTES, Route

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SAFE = ("GET", "HEAD", "OPTIONS")
SENDING = tuple(method for method in METHODS if method not in SAFE)
FOREIGN = "https://evil.example"
REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
NOT_A_METHOD = (*REFUSED, HTTPStatus.METHOD_NOT_ALLOWED)
BACKEND = "apps.accounts.backends.PortalBackend"

Send = Callable[[str, str], Any]


def is_api(path: str) -> bool:
    return path in API or (path.startswith("/api/") and path.removesuffix("/") in API)


def test_every_route_is_in_the_table() -> None:
    missing = sorted({route.path for route in ROUTES if methods_of(route.path) is None})
    assert missing == [], "Add them to tests/platform/access.py, with what each method needs."


def test_the_table_has_no_line_too_many() -> None:
    found = {route.path for route in ROUTES}
    assert (API.keys() | PAGES.keys() | ADMIN.keys()) - found == set()


def test_an_api_route_asks_for_exactly_what_the_table_says() -> None:
    wrong = []
    for route in ROUTES:
        if is_api(route.path):
            said = {method.upper() for method in getattr(route.view, "actions", {"get": ""})}
            said.discard("HEAD")
            if said != set(methods_of(route.path) or ()):
                wrong.append((route.path, said))
    assert wrong == []


def to_sign_in(answer: Any) -> bool:
    location = str(answer.headers.get("Location", ""))
    found: bool = answer.status_code == HTTPStatus.FOUND
    return found and location.startswith("/accounts/login/?")


class Somebody:
    """Sends requests as one kind of caller. Each has the first one's session: some sign out."""

    def __init__(
        self,
        user: User | None = None,
        *,
        token: str = "",
        origin: str = "",
        csrf: bool = True,
    ) -> None:
        self._user = user
        self._session = ""
        self._sign_in()
        self._headers = {"Authorization": f"Token {token}"} if token else {}
        if origin:
            self._headers["Origin"] = origin
        self._csrf = csrf

    def _sign_in(self) -> None:
        if self._user is not None:
            self._user.refresh_from_db()
            client = Client()
            client.force_login(self._user, BACKEND)
            self._session = client.cookies[portal.SESSION_COOKIE_NAME].value

    def send(self, method: str, path: str) -> Any:
        """Signs in again where an earlier request has ended all of the person's sessions."""
        answer = self._once(method, path)
        if self._user is not None and to_sign_in(answer):
            self._sign_in()
            answer = self._once(method, path)
        return answer

    def _once(self, method: str, path: str) -> Any:
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        if self._session:
            client.cookies[portal.SESSION_COOKIE_NAME] = self._session
        headers = dict(self._headers)
        if self._csrf:
            request = RequestFactory().get("/")
            headers["X-CSRFToken"] = get_token(request)
            client.cookies[portal.CSRF_COOKIE_NAME] = request.META["CSRF_COOKIE"]
        if method in SAFE:
            return client.generic(method, path, headers=headers)
        return client.generic(method, path, b"{}", "application/json", headers=headers)


@pytest.fixture
def people(db: None, settings: Settings) -> dict[str, Somebody]:
    """The whole cast. Sessions are in cookies here, so that none ends before its time."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    users = {role: person_make(role) for role in Role}
    operator, administrator = users[Role.OPERATOR], users[Role.ADMINISTRATOR]
    operate = ApiToken.Scope.OPERATE

    def token(user: User, **given: Any) -> str:
        return token_create(user=user, name=f"t{len(str(given))}", **given)[1]

    expired = token(administrator, scope=operate, expires_at=utc_now() + timedelta(hours=1))
    ApiToken.objects.filter(expiry__isnull=False).update(expiry=utc_now() - timedelta(seconds=1))
    return {
        "anonymous": Somebody(),
        "nobody": Somebody(person_make(None)),
        "viewer": Somebody(users[Role.VIEWER]),
        "operator": Somebody(operator),
        "administrator": Somebody(administrator),
        "read token": Somebody(token=token(administrator)),
        "operate token": Somebody(token=token(operator, scope=operate)),
        "expired token": Somebody(token=expired),
        "foreign page, session": Somebody(administrator, origin=FOREIGN),
        "foreign page, session, no csrf": Somebody(administrator, origin=FOREIGN, csrf=False),
        "own page, session, no csrf": Somebody(administrator, csrf=False),
        "foreign page, token": Somebody(
            token=token(administrator, scope=operate, allowed_network="0.0.0.0/0"), origin=FOREIGN
        ),
    }


HELD: dict[str, frozenset[str]] = {
    "anonymous": frozenset(),
    "expired token": frozenset(),
    "nobody": frozenset({SIGNED_IN}),
    "viewer": frozenset({SIGNED_IN, *ROLE_PERMISSIONS[Role.VIEWER]}),
    "operator": frozenset({SIGNED_IN, *ROLE_PERMISSIONS[Role.OPERATOR]}),
    "operate token": frozenset({SIGNED_IN, *ROLE_PERMISSIONS[Role.OPERATOR]}),
} | dict.fromkeys(
    (
        "administrator",
        "read token",
        "foreign page, session",
        "foreign page, session, no csrf",
        "own page, session, no csrf",
        "foreign page, token",
    ),
    frozenset({SIGNED_IN, *ROLE_PERMISSIONS[Role.ADMINISTRATOR]}),
)
READS_ONLY = {
    "read token",
    "foreign page, session",
    "foreign page, session, no csrf",
    "own page, session, no csrf",
    "foreign page, token",
}
"""Whatever they hold, they change nothing."""
ONLY_SENDING = READS_ONLY - {"read token", "foreign page, token"}
"""What they read is what an administrator reads."""
BY_TOKEN = {"read token", "operate token", "expired token", "foreign page, token"}


def problem(who: str, route: Route, method: str, answer: Any) -> str:
    """What is wrong with the answer; ``""``: nothing."""
    allowed = methods_of(route.path) or {}
    status = answer.status_code
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return "failed"
    if is_api(route.path):
        return _api_problem(who, allowed, method, status)
    return _page_problem(who, allowed, method, answer)


def _api_problem(who: str, allowed: Methods, method: str, status: int) -> str:
    if who in ("anonymous", "expired token"):
        return "" if status == HTTPStatus.UNAUTHORIZED else "is not asked for credentials"
    if who in READS_ONLY and method not in SAFE:
        return "" if status == HTTPStatus.FORBIDDEN else "may change something"
    return _held_problem(who, allowed, method, status)


def _page_problem(who: str, allowed: Methods, method: str, answer: Any) -> str:
    """Pages know no tokens, and each request that changes something proves its origin."""
    status, named = answer.status_code, allowed.get("GET" if method == "HEAD" else method)
    outside = to_sign_in(answer)
    forged = "foreign page, session" in who or "no csrf" in who
    if forged and method not in SAFE:
        is_refused = status == HTTPStatus.FORBIDDEN or named is None
        return "" if is_refused else "may change something"
    if ANYBODY in allowed.values():
        shut = named is not None and (status == HTTPStatus.UNAUTHORIZED or outside)
        return "is kept out" if shut else ""
    if who in BY_TOKEN or who == "anonymous":
        closed = outside or status in NOT_A_METHOD
        return "" if closed else "comes in without signing in"
    if named is None and method == "OPTIONS":
        return ""  # says nothing but what it takes
    return _held_problem(who, allowed, method, status)


def _held_problem(who: str, allowed: Methods, method: str, status: int) -> str:
    needed = allowed.get("GET" if method == "HEAD" else method)
    if method == "OPTIONS" and needed is None:
        return "" if status in (HTTPStatus.OK, *NOT_A_METHOD) else "is told too much"
    if needed is None:
        return "" if status in NOT_A_METHOD else "finds a method that the table does not name"
    let_in = status not in NOT_A_METHOD
    if let_in == (needed in HELD[who]):
        return ""
    return "gets in" if let_in else "is kept out"


@pytest.mark.parametrize("who", list(HELD))
def test_access(who: str, people: dict[str, Somebody]) -> None:
    assert people.keys() == HELD.keys()
    wrong = []
    for route in ROUTES:
        methods = SENDING if who in ONLY_SENDING else METHODS
        if not route.name and is_api(route.path):  # the form with a slash is the same view
            methods = tuple(methods_of(route.path) or ())
        for method in methods:
            answer = people[who].send(method, route.path)
            what = problem(who, route, method, answer)
            if what:
                wrong.append(f"{method} {route.path}: {what} ({answer.status_code})")
    assert not wrong, "\n".join(wrong)


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Thousands of refusals are no news here."""
    import logging

    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
