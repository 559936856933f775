"""Charts in a real browser: what is drawn, and everything that a person does with it."""

from __future__ import annotations

import csv
import json
import re
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, FloatRect, Locator, expect

from apps.accounts.roles import Role
from apps.audit.services import Actor
from apps.cluster.models import Cluster
from apps.control.models import ControlJob, JobStatus
from apps.nodes.maintenance import maintenance_begin
from apps.nodes.models import Node
from tests.accounts.people import person_make
from tests.browser import BROWSER_MARKS, TURN, Visit, visiting
from tests.factories import cluster_of
from tests.history_data import history_make

pytestmark = BROWSER_MARKS

ZONE = "America/New_York"
SHIFTS = """
window.shifts = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
INK = """(canvas) => {
  // How many pixels of each column have the colour of the first curve.
  const probe = document.createElement("span");
  probe.style.color = "var(--series-1)";
  document.body.append(probe);
  const want = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
  probe.remove();
  const { width, height } = canvas;
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const columns = new Array(width).fill(0);
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 200 && want.every((part, c) => Math.abs(data[i + c] - part) < 24)) {
      columns[(i / 4) % width] += 1;
    }
  }
  return columns;
}"""


@pytest.fixture
def now() -> datetime:
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def cluster(browser_url: str, now: datetime) -> Cluster:
    with TURN:
        made = cluster_of(4, at=now + timedelta(minutes=5))
        history_make(made, at=now, seconds=1800)
    return made


@pytest.fixture
def visit(chromium: Browser, browser_url: str, cluster: Cluster) -> Iterator[Visit]:
    """Somebody in New York who looks at real curves."""
    with TURN:
        viewer = person_make(Role.VIEWER)
    with visiting(chromium, browser_url, viewer, timezone_id=ZONE) as visit:
        visit.tab.add_init_script(SHIFTS)
        yield visit


def chart(visit: Visit, title: str) -> Locator:
    return visit.tab.locator(f"section.chart[aria-label='{title}']")


def open_charts(visit: Visit, path: str) -> None:
    visit.open(path)
    if "/node/" in path:
        visit.tab.locator("#trends").scroll_into_view_if_needed()
    expect(visit.tab.locator("section.chart canvas").first).to_be_visible()
    settled(visit)


def settled(visit: Visit) -> None:
    expect(visit.tab.locator(".board")).not_to_have_attribute("aria-busy", "true")


def asked(visit: Visit) -> dict[str, str]:
    """What the address says."""
    return {key: values[0] for key, values in parse_qs(urlsplit(visit.tab.url).query).items()}


def span(visit: Visit) -> float:
    """Length of the range in the address, seconds."""
    ends = [datetime.fromisoformat(asked(visit)[name]) for name in ("from", "to")]
    return (ends[1] - ends[0]).total_seconds()


def plot_box(one: Locator) -> FloatRect:
    one.scroll_into_view_if_needed()
    box = one.locator(".u-over").bounding_box()
    assert box is not None
    return box


def drag(visit: Visit, one: Locator, start: float, end: float) -> None:
    """From one share of the plot's width to another."""
    box = plot_box(one)
    middle = box["y"] + box["height"] / 2
    visit.tab.mouse.move(box["x"] + box["width"] * start, middle)
    visit.tab.mouse.down()
    visit.tab.mouse.move(box["x"] + box["width"] * (start + end) / 2, middle)
    visit.tab.mouse.move(box["x"] + box["width"] * end, middle)
    visit.tab.mouse.up()


def job_make(cluster: Cluster, node_id: int, *, at: datetime, **fields: Any) -> ControlJob:
    node = Node.objects.get(cluster=cluster, node_id=node_id)
    values: dict[str, Any] = {
        "action": "restart",
        "status": JobStatus.FAILED,
        "requested_by_name": "alice",
        "reason": "It leaks memory.",
        "outcome": "Permission denied.",
        "queued_at": at,
        "started_at": at,
        "finished_at": at + timedelta(seconds=40),
    }
    made: ControlJob = ControlJob.objects.create(
        cluster=cluster, node=node, node_number=node_id, node_name=node.address, **values | fields
    )
    return made


def test_a_gap_stays_open(visit: Visit) -> None:
    open_charts(visit, "/trends?nodes=1&metrics=system.ram_usage_pct&from=-20m&to=now&live=0")
    columns: list[int] = chart(visit, "RAM").locator("canvas").evaluate(INK)
    drawn = [place for place, pixels in enumerate(columns) if pixels]
    left, right = drawn[0], drawn[-1]
    jumps = [(b - a, a) for a, b in pairwise(drawn) if b - a > 3]
    assert len(jumps) == 1, jumps
    (width, at) = jumps[0]
    # One minute of twenty, from ten to nine minutes before the end.
    assert 0.03 < width / (right - left) < 0.08
    assert 0.42 < (at - left) / (right - left) < 0.58
    words = chart(visit, "RAM").locator(".chart__plot").get_attribute("aria-label") or ""
    assert "1 gap" in words
    assert "lowest 49.0 %" in words


def test_drag_zooms_and_the_way_back(visit: Visit) -> None:
    open_charts(visit, "/node/1?from=-20m&to=now&live=0")
    cpu = chart(visit, "CPU")
    drag(visit, cpu, 0.25, 0.5)
    visit.tab.wait_for_url(re.compile(r"from=20.*to=20"))
    settled(visit)
    assert 280 <= span(visit) <= 320
    zoomed = asked(visit)
    # Shift and drag pans: what lay in the middle moves to the right.
    visit.tab.keyboard.down("Shift")
    drag(visit, cpu, 0.4, 0.6)
    visit.tab.keyboard.up("Shift")
    expect(visit.tab).not_to_have_url(re.compile(re.escape(zoomed["from"])))
    settled(visit)
    assert asked(visit)["from"] < zoomed["from"]
    assert abs(span(visit) - 300) < 25
    cpu.locator(".u-over").dblclick()
    visit.tab.wait_for_url(re.compile(r"from=-20m"))
    visit.tab.go_back()
    expect(visit.tab).not_to_have_url(re.compile(r"from=-20m"))
    visit.tab.get_by_role("button", name="Reset").click()
    expect(visit.tab).to_have_url(re.compile(r"/node/1$"))


def test_cursors_are_linked_and_speak_the_readers_time(visit: Visit, now: datetime) -> None:
    open_charts(visit, "/node/1?from=-20m&to=now&live=0")
    box = plot_box(chart(visit, "CPU"))
    visit.tab.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    read = [chart(visit, title).locator(".is-reading") for title in ("CPU", "RAM")]
    expect(read[0]).not_to_be_empty()
    expect(read[1]).to_have_text(read[0].inner_text())
    there = (now - timedelta(minutes=15)).astimezone(ZoneInfo(ZONE))
    near = {(there + timedelta(minutes=step)).strftime("%H:%M") for step in (-1, 0, 1, 2)}
    assert any(moment in read[0].inner_text() for moment in near)
    # "Now" is when the page came, and a minute may have ended since the test began.
    start = (now - timedelta(minutes=20)).astimezone(ZoneInfo(ZONE))
    begins = "|".join(f"{start + timedelta(minutes=late):%H:%M}" for late in (0, 1, 2))
    words = visit.tab.locator("[data-range-words]")
    expect(words).to_contain_text(re.compile(f"({begins}) –"))
    expect(chart(visit, "CPU").locator(".legend b")).to_have_text(
        re.compile(r"^1\d\.\d % \(1\d\.\d % – 1\d\.\d %\)$")
    )


def test_a_link_shows_a_colleague_the_same(visit: Visit, now: datetime) -> None:
    open_charts(visit, "/trends")
    visit.tab.get_by_role("searchbox", name="Nodes").fill("0-2")
    visit.tab.locator("summary", has_text="Metrics").click()
    visit.tab.get_by_role("checkbox", name="Queued tasks").first.check()
    visit.tab.keyboard.press("Escape")
    visit.tab.get_by_role("button", name="15 min").click()
    expect(visit.tab).to_have_url(re.compile("from=-15m"))
    visit.tab.get_by_role("button", name="Zoom in").click()
    visit.tab.get_by_role("button", name="Earlier").click()
    visit.tab.wait_for_url(re.compile(r"from=20"))
    settled(visit)
    seen = [
        visit.tab.locator("[data-range-words]").inner_text(),
        visit.tab.locator(".chart__title").all_inner_texts(),
        visit.tab.locator(".legend bdi").all_inner_texts(),
        visit.tab.locator(".legend b").all_inner_texts(),
    ]
    other = visit.tab.context.new_page()
    other.goto(visit.tab.url)
    expect(other.locator(".legend b")).to_have_count(len(seen[3]))
    assert [
        other.locator("[data-range-words]").inner_text(),
        other.locator(".chart__title").all_inner_texts(),
        other.locator(".legend bdi").all_inner_texts(),
        other.locator(".legend b").all_inner_texts(),
    ] == seen
    for view, part in (("Heatmap", "[data-heatmap] canvas"), ("Top list", "[data-top-lines] a")):
        visit.tab.get_by_role("radio", name=view).check(force=True)
        expect(visit.tab.locator(part).first).to_be_visible()
        other.goto(visit.tab.url)
        expect(other.locator(part).first).to_be_visible()
        expect(other.get_by_role("radio", name=view)).to_be_checked()


def test_what_is_seen_is_exported(visit: Visit, tmp_path: Path) -> None:
    open_charts(visit, "/node/1?from=-20m&to=now&live=0")
    cpu = chart(visit, "CPU")
    drag(visit, cpu, 0.25, 0.5)
    visit.tab.wait_for_url(re.compile(r"from=20.*to=20"))
    settled(visit)
    ends = asked(visit)
    with visit.tab.expect_download() as saved:
        cpu.get_by_role("link", name="CSV").click()
    path = tmp_path / "seen.csv"
    saved.value.save_as(path)
    lines = list(csv.DictReader(path.open()))
    assert {line["metric"] for line in lines} == {"system.cpu_usage_pct"}
    assert ends["from"][:16] <= lines[0]["time"][:16]
    assert lines[-1]["time"] <= ends["to"]
    assert len(lines) > 50
    with visit.tab.expect_download() as saved:
        cpu.get_by_role("button", name="PNG").click()
    assert saved.value.suggested_filename == "clio-cpu.png"
    picture = tmp_path / "seen.png"
    saved.value.save_as(picture)
    raw = picture.read_bytes()
    assert raw.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", raw[16:24])
    assert width > 400
    assert height > 200


def test_the_keyboard_does_it_all(visit: Visit) -> None:
    open_charts(visit, "/node/1?from=-20m&to=now&live=0")
    cpu = chart(visit, "CPU")
    cpu.locator(".chart__plot").focus()
    visit.tab.keyboard.press("ArrowLeft")
    said = cpu.locator("[aria-live]")
    expect(said).to_contain_text("CPU 1")
    first = said.inner_text()
    visit.tab.keyboard.press("ArrowLeft")
    expect(said).not_to_have_text(first)
    visit.tab.keyboard.press("+")
    visit.tab.wait_for_url(re.compile(r"from=-10m"))
    visit.tab.keyboard.press("Shift+ArrowLeft")
    visit.tab.wait_for_url(re.compile(r"to=20"))
    expect(cpu.locator(".chart__plot")).to_be_focused()
    visit.tab.keyboard.press("Escape")
    expect(visit.tab).to_have_url(re.compile(r"/node/1$"))
    cpu.get_by_role("button", name="Table").press("Enter")
    expect(
        cpu.get_by_role("region", name="CPU as a table").locator("tbody tr").first
    ).to_be_visible()


def test_actions_are_marked_on_every_chart(visit: Visit, now: datetime, cluster: Cluster) -> None:
    with TURN:
        made = job_make(cluster, 1, at=now - timedelta(minutes=12))
        job_make(cluster, 2, at=now - timedelta(minutes=12))
        node = Node.objects.get(node_id=1)
        maintenance_begin(
            node,
            actor=Actor(1, "bob"),
            reason="new disks",
            until=None,
            at=now - timedelta(minutes=4),
        )
    open_charts(visit, "/node/1?from=-20m&to=now&live=0")
    for title in ("CPU", "RAM"):
        expect(chart(visit, title).locator(".mark")).to_have_count(2)
    strip = chart(visit, "RAM").locator(".chart__marks")
    restart = strip.get_by_role("link")
    tip = strip.locator(".mark__tip").first
    expect(tip).to_be_hidden()
    restart.hover()
    for words in ("Restart of node1 by alice", "failed in 40 s", "Permission denied.", "It leaks"):
        expect(tip).to_contain_text(words)
    visit.tab.mouse.move(0, 0)
    expect(tip).to_be_hidden()
    bob = strip.get_by_role("button", name="Maintenance begun on node1 by bob")
    bob.focus()
    expect(strip.locator(".mark__tip").nth(1)).to_contain_text("new disks")
    visit.tab.keyboard.press("Escape")
    expect(strip.locator(".mark__tip").nth(1)).to_be_hidden()
    restart.click()
    expect(visit.tab).to_have_url(f"{visit.url}/jobs/{made.pk}")


def test_dense_actions_are_one_mark_until_zoomed(
    visit: Visit, now: datetime, cluster: Cluster
) -> None:
    with TURN:
        for second in (0, 60, 120):
            job_make(cluster, 1, at=now - timedelta(minutes=15) + timedelta(seconds=second))
    open_charts(visit, "/node/1?from=-6h&to=now&live=0")
    dense = chart(visit, "CPU").locator(".chart__marks").get_by_role("button", name="Restart")
    expect(dense).to_have_text("3")
    dense.hover()
    expect(chart(visit, "CPU").locator(".mark__tip")).to_contain_text("Press to zoom in.")
    dense.click()
    visit.tab.wait_for_url(re.compile(r"from=20"))
    expect(chart(visit, "CPU").locator(".chart__marks").get_by_role("link")).to_have_count(3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens_and_both_themes(visit: Visit, scheme: Any, now: datetime) -> None:
    contrast = (Path(__file__).parents[1] / "pages" / "contrast.js").read_text()
    visit.tab.emulate_media(color_scheme=scheme)
    visit.tab.set_viewport_size({"width": 380, "height": 780})
    measure = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for path in (
        "/trends?nodes=0-3",
        "/trends",
        "/trends?view=heatmap",
        "/trends?view=top",
        "/node/1#trends",
        "/history/storage",
    ):
        visit.open(path)
        if "storage" not in path:
            settled(visit)
        assert (path, visit.tab.evaluate(measure)) == (path, 0)
        assert (path, visit.tab.evaluate(contrast)) == (path, [])


def test_what_goes_wrong_is_said_and_the_curve_stays(visit: Visit) -> None:
    open_charts(visit, "/trends?nodes=1&from=-20m&to=now")
    with_error = json.dumps({"error": "The history is being moved.", "code": "moved"})
    visit.tab.route(
        "**/api/history/**",
        lambda route: route.fulfill(status=503, content_type="application/json", body=with_error),
    )
    visit.tab.get_by_role("button", name="15 min").click()
    expect(visit.tab.get_by_role("status").filter(has_text="being moved")).to_be_visible()
    expect(chart(visit, "CPU").locator("canvas")).to_be_visible()
    visit.tab.unroute("**/api/history/**")
    visit.tab.get_by_role("button", name="1 h").click()
    expect(visit.tab.locator("[data-notice]")).to_be_hidden()
    visit.expected.append("503")
