"""Fixtures of tests that drive Chromium.

A module of such tests sets `pytestmark = BROWSER_MARKS` and asks for `visit`, or for `chromium`
and `browser_url`. What writes to the database while a page is open does so within `TURN`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.utils import timezone

from apps.accounts.roles import ROLE_PERMISSIONS, Role
from tests.services import CHROMIUM

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WAIT_MS = 45_000
"""The server of these tests answers one request at a time, and a page asks for many."""
TURN = threading.RLock()
"""Held by a request, and by a test that writes: with an in-memory database the server's
threads and the test share one connection, whose transactions must not mix.
"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
]
BROWSER_MARKS = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("browser_url"),
]


def roles_restore() -> None:
    """The roles and the beginning of the audit trail as the migrations made them; emptying the
    database takes them away.
    """
    from django.contrib.auth.models import Group, Permission

    from apps.audit.chain import GENESIS_HASH
    from apps.audit.models import AuditHead

    AuditHead.objects.get_or_create(pk=1, defaults={"number": 0, "hash": GENESIS_HASH})

    for role, codenames in ROLE_PERMISSIONS.items():
        group, _ = Group.objects.get_or_create(name=role.value)
        group.permissions.set(
            Permission.objects.filter(content_type__app_label="accounts", codename__in=codenames)
        )


@pytest.fixture(scope="module")
def tables_can_be_emptied(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A server in another thread needs real commits, and so tables emptied after each test:
    the guards of the audit trail refuse that, so they are off meanwhile.
    """
    from apps.audit.triggers import triggers_install, triggers_remove

    with django_db_blocker.unblock():
        triggers_remove(connection)
    yield
    with django_db_blocker.unblock():
        roles_restore()
        triggers_install(connection)


@pytest.fixture(scope="module")
def one_request_at_a_time() -> Iterator[None]:
    answer = WSGIHandler.__call__

    def answer_in_turn(handler: WSGIHandler, environ: Any, start_response: Any) -> Any:
        with TURN:
            return answer(handler, environ, start_response)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WSGIHandler, "__call__", answer_in_turn)
        yield


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's own loop runs in this thread while Django's ORM is used in it, too.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def browser_url(
    tables_can_be_emptied: None,
    one_request_at_a_time: None,
    chromium: Browser,
    transactional_db: None,
    live_server: Any,
) -> str:
    """Where the portal is; its roles are as in a fresh one."""
    roles_restore()
    url: str = live_server.url
    return url


@dataclass
class Visit:
    """One person's tab, and everything that its console complained about."""

    tab: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Words of complaints that belong to what the test does; they may come late."""

    def open(self, path: str) -> None:
        self.tab.goto(self.url + path)

    def card(self, node_id: int) -> Any:
        return self.tab.locator(f"[data-node='{node_id}']")

    def unexpected(self) -> list[str]:
        return [c for c in self.complaints if not any(words in c for words in self.expected)]

    def note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)


@contextmanager
def visiting(chromium: Browser, url: str, user: Any, **context: Any) -> Iterator[Visit]:
    """A tab of somebody who has just signed in. Ends with the claim that nothing complained.

    `context`: what Playwright's `new_context` takes (time zone, size, theme).
    """
    from tests.accounts.people import signed_in

    with TURN:
        client = signed_in(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    opened = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}} | context)
    opened.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": url}])
    visit = Visit(opened.new_page(), url)
    visit.tab.on("console", lambda message: visit.note(message.type, message.text))
    visit.tab.on("pageerror", lambda error: visit.complaints.append(str(error)))
    yield visit
    opened.close()
    with TURN:
        assert visit.unexpected() == []


@pytest.fixture
def visit(chromium: Browser, browser_url: str) -> Iterator[Visit]:
    """A viewer, signed in, at the topology of four nodes."""
    from playwright.sync_api import expect

    from tests.accounts.people import person_make
    from tests.factories import cluster_of_four

    with TURN:
        cluster_of_four(at=later())
        viewer = person_make(Role.VIEWER)
    with visiting(chromium, browser_url, viewer) as visit:
        visit.open("/")
        expect(visit.tab.get_by_role("heading", name="Topology")).to_be_visible()
        yield visit


def later() -> datetime:
    """Figures of this time stay fresh for as long as a test takes."""
    return timezone.now() + timedelta(minutes=5)
