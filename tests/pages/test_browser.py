"""The pages in a real browser: what only JavaScript, CSS and the security policy together show."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect, sync_playwright

from apps.accounts.models import User
from apps.accounts.roles import ROLE_PERMISSIONS
from apps.audit.triggers import triggers_install, triggers_remove
from apps.cluster.models import Cluster
from apps.nodes.models import LatestFigures, Node
from tests.factories import cluster_of, cluster_of_four
from tests.pages.conftest import PASSWORD

# Playwright's own loop runs in this thread while Django's ORM is used in it, too.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

# The server of these tests answers one request at a time, and the node page asks for many.
expect.set_options(timeout=20_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
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

CONTRAST = Path(__file__).with_name("contrast.js").read_text()
"""Texts whose contrast with what is behind them is under WCAG AA."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed"),
]


def roles_restore() -> None:
    """The roles as the migrations made them; emptying the database takes them away."""
    for role, codenames in ROLE_PERMISSIONS.items():
        group, _ = Group.objects.get_or_create(name=role.value)
        group.permissions.set(
            Permission.objects.filter(content_type__app_label="accounts", codename__in=codenames)
        )


@pytest.fixture(scope="module", autouse=True)
def _tables_can_be_emptied(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A server in another thread needs real commits, and so tables emptied after each test:
    the guards of the audit trail refuse that, so they are off meanwhile.
    """
    with django_db_blocker.unblock():
        triggers_remove(connection)
    yield
    with django_db_blocker.unblock():
        roles_restore()
        triggers_install(connection)


@pytest.fixture(scope="module", autouse=True)
def _one_request_at_a_time() -> Iterator[None]:
    answer = WSGIHandler.__call__

    def answer_in_turn(handler: WSGIHandler, environ: Any, start_response: Any) -> Any:
        with TURN:
            return answer(handler, environ, start_response)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WSGIHandler, "__call__", answer_in_turn)
        yield


@pytest.fixture(autouse=True)
def _roles(transactional_db: None) -> None:
    roles_restore()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@dataclass
class Visit:
    """One person's tab, and everything that its console complained about."""

    tab: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.tab.goto(self.url + path)

    def card(self, node_id: int) -> Any:
        return self.tab.locator(f"[data-node='{node_id}']")


@pytest.fixture
def visit(_roles: None, chromium: Browser, live_server: Any, viewer: User) -> Iterator[Visit]:
    """Signed in, at the topology. Ends with the claim that nothing complained."""
    with TURN:
        cluster_of_four(at=later())
        client = Client()
        client.force_login(viewer)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}]
    )
    visit = Visit(context.new_page(), live_server.url)
    visit.tab.on("console", lambda message: _note(visit, message.type, message.text))
    visit.tab.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.open("/")
    expect(visit.tab.get_by_role("heading", name="Topology")).to_be_visible()
    yield visit
    context.close()
    with TURN:
        assert visit.complaints == []


def later() -> datetime:
    """Figures of this time stay fresh for as long as a test takes."""
    return timezone.now() + timedelta(minutes=5)


def _note(visit: Visit, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        visit.complaints.append(text)


def poll_again(**changes: Any) -> None:
    """What the collector does at the end of a round."""
    cluster = Cluster.objects.get()
    Cluster.objects.update(poll_number=cluster.poll_number + 1, **changes)


def test_search_filters_and_says_so_in_the_address(visit: Visit) -> None:
    expect(visit.tab.locator(".card")).to_have_count(4)
    visit.tab.keyboard.press("/")
    expect(visit.tab.get_by_role("searchbox")).to_be_focused()
    visit.tab.keyboard.type("node1,3")
    expect(visit.tab.locator(".card")).to_have_count(2)
    expect(visit.tab).to_have_url(visit.url + "/?q=node1%2C3")
    visit.tab.reload()
    expect(visit.tab.locator(".card")).to_have_count(2)
    visit.tab.keyboard.press("/")
    visit.tab.keyboard.press("Escape")
    expect(visit.tab.locator(".card")).to_have_count(4)
    expect(visit.tab).to_have_url(visit.url + "/")


def test_states_are_chosen_by_keyboard(visit: Visit) -> None:
    visit.tab.get_by_role("checkbox", name="down").focus()
    visit.tab.keyboard.press("Space")
    expect(visit.tab.locator(".card")).to_have_count(1)
    expect(visit.tab).to_have_url(visit.url + "/?state=down")


def test_a_card_opens_its_node(visit: Visit) -> None:
    visit.card(1).click()
    expect(visit.tab).to_have_url(visit.url + "/node/1")
    expect(visit.tab.get_by_role("heading", name="node1")).to_be_visible()
    expect(visit.tab.get_by_text("ram::chi_default_bdev").first).to_be_visible()
    expect(visit.tab.locator("#trend svg").first).to_be_visible()


def test_a_change_arrives_and_is_announced(visit: Visit) -> None:
    expect(visit.card(3)).to_have_attribute("data-state", "alive")
    with TURN:
        figures = LatestFigures.objects.get(node__node_id=0, kind="system")
        assert figures.figures is not None
        figures.figures["cpu_usage_pct"] = 12.5
        figures.save()
        Node.objects.filter(node_id=3).update(state="hung", state_reason="It does not answer.")
        poll_again()
    expect(visit.card(3)).to_have_attribute("data-state", "hung", timeout=15_000)
    expect(visit.card(0)).to_contain_text("12.5 %")
    expect(visit.tab.locator("#count-hung")).to_have_text("1")
    expect(visit.tab.locator("#announce")).to_have_text("Node 3, node3: alive to hung")


def test_an_update_leaves_the_reader_alone(visit: Visit) -> None:
    """Focus, what is typed, and what was unfolded survive."""
    visit.open("/node/0")
    container = visit.tab.locator("details.container").first
    container.locator("summary").click()
    expect(container).to_have_attribute("open", "")
    with TURN:
        row = LatestFigures.objects.get(node__node_id=0, kind="containers")
        assert row.figures is not None
        row.figures[0]["learning_rate"] = 0.875
        row.error_at = timezone.now()
        row.save()
        Node.objects.filter(node_id=0).update(wire_generation="2.2")
        poll_again()
    expect(visit.tab.locator("#identity-title + *, #node")).to_contain_text("2.2", timeout=15_000)
    expect(visit.tab.locator("#trend svg").first).to_be_visible()
    expect(container).to_contain_text("0.875", timeout=40_000)
    expect(container).to_have_attribute("open", "")
    expect(container.locator("summary")).to_be_focused()


def test_ages_tick_between_updates(visit: Visit) -> None:
    age = visit.card(2).locator("time[data-age='ago']")
    before = age.inner_text()
    with TURN:
        Cluster.objects.update(polled_at=timezone.now() - timedelta(hours=3))
        poll_again()
    expect(visit.card(2)).to_have_attribute("data-state", "unknown", timeout=15_000)
    expect(visit.tab.locator("#connection")).to_contain_text("Nothing new is being collected")
    assert before.endswith("ago")


def test_the_portal_is_lost_and_comes_back(visit: Visit) -> None:
    expect(visit.tab.locator(".card")).to_have_count(4)
    visit.tab.context.set_offline(True)
    expect(visit.tab.locator("#lost")).to_be_visible(timeout=15_000)
    expect(visit.tab.locator(".card")).to_have_count(4)
    visit.tab.context.set_offline(False)
    expect(visit.tab.locator("#lost")).to_be_hidden(timeout=20_000)
    offline = ("ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest")
    visit.complaints = [c for c in visit.complaints if not any(word in c for word in offline)]


def test_an_ended_session_leads_to_the_sign_in_and_back(visit: Visit) -> None:
    visit.open("/?q=node1")
    visit.tab.context.clear_cookies()
    visit.tab.wait_for_url("**/accounts/login/?next=*", timeout=15_000)
    assert "q%3Dnode1" in visit.tab.url
    visit.complaints = [text for text in visit.complaints if "401" not in text]


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_is_wider_than_the_screen(visit: Visit, width: int) -> None:
    with TURN:
        Node.objects.filter(node_id=0).update(host="W" * 255, state_reason="x" * 5000)
    visit.tab.set_viewport_size({"width": width, "height": 740})
    measure = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for path in ("/", "/node/0", "/node/2", "/node/77", "/pools", "/config"):
        visit.open(path)
        expect(visit.tab.get_by_text("loading", exact=True)).to_have_count(0)
        assert (path, visit.tab.evaluate(measure)) == (path, 0)
    visit.complaints = [text for text in visit.complaints if "404" not in text]


def test_small_targets_are_large_enough_for_a_finger(visit: Visit) -> None:
    visit.tab.set_viewport_size({"width": 360, "height": 740})
    small = visit.tab.evaluate(
        """[...document.querySelectorAll("a, button, input, summary")]
           .filter(e => e.checkVisibility() && !e.closest(".card, .skip-link, p"))
           .map(e => [e.textContent.trim() || e.name, e.getBoundingClientRect().height])
           .filter(([, height]) => height < 44)"""
    )
    assert small == []


def test_the_theme_is_kept(visit: Visit) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = visit.tab.evaluate(background)
    button = visit.tab.get_by_role("button", name="Theme")
    button.click()
    button.click()
    assert visit.tab.evaluate(background) != light
    visit.tab.reload()
    assert visit.tab.locator("html").get_attribute("data-theme") == "dark"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(visit: Visit, scheme: Any) -> None:
    with TURN:
        Cluster.objects.update(is_simulated=True)
    visit.tab.emulate_media(color_scheme=scheme)
    for path in ("/", "/node/2", "/pools", "/config"):
        visit.open(path)
        expect(visit.tab.get_by_text("loading", exact=True)).to_have_count(0)
        assert (path, visit.tab.evaluate(CONTRAST)) == (path, [])


def test_a_thousand_nodes(visit: Visit) -> None:
    with TURN:
        Cluster.objects.all().delete()
        cluster_of(1000, at=later())
    visit.open("/")
    expect(visit.tab.locator(".card")).to_have_count(60)
    visit.tab.get_by_role("link", name="Next").click()
    expect(visit.tab.locator(".card").first).to_have_attribute("data-node", "60")
    visit.tab.get_by_role("searchbox").fill("990-2000")
    expect(visit.tab.locator(".card")).to_have_count(10)


@pytest.mark.usefixtures("_roles")
def test_without_javascript(chromium: Browser, live_server: Any, viewer: User) -> None:
    with TURN:
        cluster_of_four(at=later())
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(live_server.url)
    tab.get_by_label("User name").fill(viewer.username)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.get_by_role("searchbox").fill("0-1")
    tab.get_by_role("button", name="Search").click()
    expect(tab.locator(".card")).to_have_count(2)
    assert tab.url.endswith("?q=0-1")
    context.close()
