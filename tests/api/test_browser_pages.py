"""The API's own pages in a real browser, and every page with hostile names on it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from apps.accounts.roles import Role
from apps.common.time import utc_now
from apps.control.models import ControlJob, JobLine
from apps.nodes.models import Node
from tests.accounts.people import person_make
from tests.browser import BROWSER_MARKS, TURN, later, visiting
from tests.factories import cluster_of_four
from tests.pages.test_security import EVIL, spoil

pytestmark = BROWSER_MARKS

HOSTILE = f"<script>window.stolen=1</script><img src=x onerror=window.stolen=2>{EVIL[:200]}"
PAGES = (
    *("/", "/?q=%3Cimg%20src=x%20onerror=window.stolen=3%3E", "/node/0", "/node/2", "/pools"),
    *("/config", "/trends", "/jobs", "/jobs/{job}", "/batches", "/audit", "/node/0/actions"),
    *("/node/1/actions/restart", "/nothing/%3Cimg%20src=x%20onerror=window.stolen=4%3E"),
    *("/api/", "/api/topology", "/api/pools", "/api/config", "/api/node/0/workers"),
    *("/api/node/0/bdev_stats", "/api/node/0/container_stats", "/api/jobs"),
    *("/api/jobs/{job}", "/api/jobs/{job}/output", "/api/history/states?nodes=all"),
    "/api/node/%3Cimg%20src=x%20onerror=window.stolen=5%3E/workers",
)
DRAWN_MS = 90_000
"""Until a browser that shares two cores with runtimes has drawn the whole description."""
PROBE = """() => ({
    stolen: window.stolen ?? null,
    images: [...document.querySelectorAll("img[src='x']")].length,
    scripts: [...document.scripts].filter((s) => !s.src || /stolen|alert/.test(s.text)).length,
    handlers: [...document.querySelectorAll("*")].filter(
        (e) => [...e.attributes].some((a) => a.name.startsWith("on"))).length,
})"""


@pytest.fixture
def hostile_job(browser_url: str) -> int:
    """A cluster whose every name and message is an attack, and a job that printed one."""
    with TURN:
        cluster_of_four(at=later())
        node = Node.objects.select_related("cluster").get(node_id=1)
        job = ControlJob.objects.create(
            cluster=node.cluster,
            node=node,
            node_number=1,
            node_name=HOSTILE[:200],
            action="shutdown",
            status="failed",
            requested_by_name=HOSTILE[:150],
            reason=HOSTILE,
            warnings=[HOSTILE],
            queued_at=utc_now(),
            finished_at=utc_now(),
            outcome=HOSTILE,
            remedy=HOSTILE,
            lines_total=2,
        )
        for number, stream in enumerate(("stdout", "stderr"), start=1):
            JobLine.objects.create(
                job=job, number=number, stream=stream, text=HOSTILE, at=utc_now()
            )
        spoil()
        return job.pk


def test_a_hostile_cluster_stays_text(
    chromium: Browser, browser_url: str, hostile_job: int
) -> None:
    with TURN:
        user = person_make(Role.ADMINISTRATOR)
    wrong: dict[str, Any] = {}
    with visiting(chromium, browser_url, user) as visit:
        visit.tab.on("dialog", lambda dialog: wrong.update(dialog=dialog.message))
        for path in PAGES:
            visit.open(path.format(job=hostile_job))
            visit.tab.wait_for_load_state("networkidle")
            found = visit.tab.evaluate(PROBE)
            if any(found.values()):
                wrong[path] = found
        assert wrong == {}
        # What a browser says of a page that answers 404 or 503 is no complaint about us.
        visit.expected.append("Failed to load resource")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_browsable_pages(chromium: Browser, browser_url: str, scheme: Any) -> None:
    with TURN:
        cluster_of_four(at=later())
        user = person_make(Role.OPERATOR)
    with visiting(chromium, browser_url, user, color_scheme=scheme) as visit:
        page = visit.tab
        visit.open("/api/")
        page.get_by_role("link", name='"/api/topology"', exact=True).click()
        expect(page.get_by_role("heading", name="200 OK")).to_be_visible()
        expect(page.get_by_label("The answer")).to_contain_text('"node_id": 0')
        page.get_by_text("Headers").click()
        expect(
            page.get_by_text("X-Content-Type-Options").or_(page.get_by_text("ETag"))
        ).to_be_visible()
        for width in (1440, 380):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        visit.open("/api/topology/node/2/maintenance")
        body = page.get_by_label("JSON body")
        body.fill("{not json")
        page.get_by_role("button", name="Send PUT").click()
        expect(page.get_by_role("alert").filter(has_text="not JSON")).to_be_visible()
        body.fill('{"reason": "disk is being replaced"}')
        page.get_by_role("button", name="Send PUT").click()
        expect(page.locator("form[data-send=PUT] .api__answer")).to_contain_text("200")
        page.reload()
        expect(page.get_by_label("The answer")).to_contain_text("disk is being replaced")


def test_the_description_is_drawn_from_our_own_files(chromium: Browser, browser_url: str) -> None:
    with TURN:
        cluster_of_four(at=later())
        user = person_make(Role.VIEWER)
    asked: list[str] = []
    with visiting(chromium, browser_url, user) as visit:
        visit.tab.on("request", lambda request: asked.append(request.url))
        visit.open("/api/docs")
        entry = visit.tab.get_by_text("All nodes with their state").first
        expect(entry).to_be_visible(timeout=DRAWN_MS)
        _expand(visit.tab)
        visit.open("/api/redoc")
        heading = visit.tab.get_by_role("heading", name="All nodes with their state")
        expect(heading).to_be_visible(timeout=DRAWN_MS)
        # Redoc would show its maker's mark from elsewhere; the policy refuses that.
        visit.expected.append("redoc.ly")
    outside = [url for url in asked if not url.startswith((browser_url, "data:", "blob:"))]
    assert [url for url in outside if "redoc.ly" not in url] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc"])
def test_the_description_follows_the_theme(
    chromium: Browser, browser_url: str, path: str, scheme: Any
) -> None:
    """The frame and what draws itself in it are both dark or both light, and can be read."""
    with TURN:
        cluster_of_four(at=later())
        user = person_make(Role.VIEWER)
    with visiting(chromium, browser_url, user, color_scheme=scheme) as visit:
        visit.open(path)
        words = visit.tab.get_by_text("All nodes with their state").last
        words.wait_for(timeout=DRAWN_MS)
        sheet, text, bar = words.evaluate(LIGHTNESS)
        assert (sheet < 0.3, bar < 0.3) == (scheme == "dark",) * 2
        assert abs(text - sheet) > 0.5
        visit.complaints[:] = [one for one in visit.complaints if "redoc.ly" not in one]


LIGHTNESS = """(words) => {
    const channels = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
    const solid = (from) => {
        for (let at = from; at; at = at.parentElement) {
            const found = channels(getComputedStyle(at).backgroundColor);
            if (found.length === 3 || found[3] > 0.5) return found;
        }
        return [255, 255, 255];
    };
    const light = ([r, g, b]) => (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
    return [light(solid(words)), light(channels(getComputedStyle(words).color)),
            light(solid(document.querySelector(".docs__bar")))];
}"""


def _expand(page: Page) -> None:
    page.get_by_text("All nodes with their state").first.click()
    expect(page.get_by_text("Try it out", exact=True).last).to_be_visible(timeout=DRAWN_MS)
