"""The pages in a real browser: what only JavaScript, CSS and the security policy together show."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from apps.accounts.models import User
from apps.cluster.models import Cluster
from apps.nodes.models import LatestFigures, Node
from tests.browser import BROWSER_MARKS, TURN, Visit, later
from tests.factories import cluster_of, cluster_of_four
from tests.pages.conftest import PASSWORD

CONTRAST = Path(__file__).with_name("contrast.js").read_text()
"""Texts whose contrast with what is behind them is under WCAG AA."""

pytestmark = BROWSER_MARKS


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
    visit.expected += ["ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest"]


def test_an_ended_session_leads_to_the_sign_in_and_back(visit: Visit) -> None:
    visit.open("/?q=node1")
    visit.tab.context.clear_cookies()
    visit.tab.wait_for_url("**/accounts/login/?next=*", timeout=15_000)
    assert "q%3Dnode1" in visit.tab.url
    visit.expected.append("401")


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
    visit.expected.append("404")


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


def test_without_javascript(chromium: Browser, browser_url: str, viewer: User) -> None:
    with TURN:
        cluster_of_four(at=later())
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(browser_url)
    tab.get_by_label("User name").fill(viewer.username)
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.get_by_role("searchbox").fill("0-1")
    tab.get_by_role("button", name="Search").click()
    expect(tab.locator(".card")).to_have_count(2)
    assert tab.url.endswith("?q=0-1")
    context.close()
