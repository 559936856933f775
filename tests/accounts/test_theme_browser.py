"""The theme, chosen on the profile or by the button, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from apps.accounts.roles import Role
from tests.accounts.people import person_make
from tests.browser import BROWSER_MARKS, TURN, Visit, later, visiting
from tests.factories import cluster_of_four

pytestmark = BROWSER_MARKS
IS_DARK = """() => {
    const channels = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g);
    return channels.slice(0, 3).every((one) => Number(one) < 64);
}"""
OTHERS = ("/", "/node/0", "/jobs", "/api/docs", "/api/redoc", "/api/topology", "/nothing/here")


@pytest.fixture
def person(browser_url: str) -> Any:
    with TURN:
        cluster_of_four(at=later())
        return person_make(Role.VIEWER)


def choose(visit: Visit, theme: str) -> None:
    visit.open("/accounts/me")
    visit.tab.get_by_role("radio", name=theme).check()
    visit.tab.get_by_role("button", name="Save").click()
    expect(visit.tab.get_by_text("Your profile is saved.")).to_be_visible()


def is_dark(page: Page) -> bool:
    found: bool = page.evaluate(IS_DARK)
    return found


def forgive(visit: Visit) -> None:
    """What a browser says of a page that is not there, and of Redoc's mark from elsewhere."""
    visit.complaints[:] = [
        text for text in visit.complaints if "404" not in text and "redoc.ly" not in text
    ]


@pytest.mark.parametrize("device", ["light", "dark"])
def test_the_profile_s_theme_holds_everywhere(
    chromium: Browser, browser_url: str, person: Any, device: Any
) -> None:
    with visiting(chromium, browser_url, person, color_scheme=device) as visit:
        assert is_dark_at(visit, "/accounts/me") is (device == "dark"), "at first the device's"
        for theme, expected in (
            ("dark", True),
            ("light", False),
            ("as the device", device == "dark"),
        ):
            choose(visit, theme)
            wrong = [path for path in OTHERS if is_dark_at(visit, path) is not expected]
            assert (theme, wrong) == (theme, [])
        forgive(visit)


def is_dark_at(visit: Visit, path: str) -> bool:
    visit.tab.goto(visit.url + path, wait_until="domcontentloaded")
    return is_dark(visit.tab)


def test_system_follows_the_device_while_the_page_is_open(
    chromium: Browser, browser_url: str, person: Any
) -> None:
    with visiting(chromium, browser_url, person, color_scheme="light") as visit:
        visit.open("/")
        assert not is_dark(visit.tab)
        visit.tab.emulate_media(color_scheme="dark")
        assert is_dark(visit.tab)


def test_the_newer_choice_counts(chromium: Browser, browser_url: str, person: Any) -> None:
    """The button's in this browser, until the profile is changed again."""
    with visiting(chromium, browser_url, person, color_scheme="light") as visit:
        choose(visit, "dark")
        button = visit.tab.get_by_role("button", name="Theme")
        button.click()
        button.click()
        expect(button).to_have_attribute("title", "Theme: light")
        assert not is_dark_at(visit, "/jobs")
        choose(visit, "as the device")
        visit.tab.emulate_media(color_scheme="dark")
        assert is_dark_at(visit, "/jobs")
        choose(visit, "light")
        assert not is_dark_at(visit, "/jobs")
