"""Pages while they live: new points come by themselves, and nothing jumps for those who read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from apps.accounts.roles import Role
from apps.cluster.models import Cluster
from apps.control.models import ControlJob, JobStatus
from apps.history.services import samples_store
from apps.history.types import SampleBatch
from apps.nodes.models import Node
from apps.nodes.subjects import node_subject
from tests.accounts.people import person_make
from tests.browser import BROWSER_MARKS, TURN, Visit, visiting
from tests.factories import cluster_of
from tests.history_data import history_make

pytestmark = BROWSER_MARKS

SEEN = 0.005
"""Of the layout's shifts: so little is seen by nobody (a card that is 1 px higher, say)."""
SHIFTS = """
window.shifts = 0;
window.moves = [];
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const moved = entry.sources.map(source => {
      const node = source.node && (source.node.id || source.node.className || source.node.nodeName);
      const [was, is] = [source.previousRect, source.currentRect];
      return `${node} from ${was.x}, ${was.y} to ${is.x}, ${is.y}`;
    });
    window.shifts += entry.value;
    window.moves.push(`${entry.value.toFixed(4)}: ${moved.join(", ")}`);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
TOPS = "[...document.querySelectorAll('section.chart')].map(c => c.getBoundingClientRect().top)"


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
    with TURN:
        person = person_make(Role.OPERATOR)
    with visiting(chromium, browser_url, person) as visit:
        visit.tab.add_init_script(SHIFTS)
        yield visit


def shifted(visit: Visit) -> float:
    total: float = visit.tab.evaluate("window.shifts")
    return total


def job_make(cluster: Cluster, node: Node, *, at: datetime) -> None:
    assert node.node_id is not None
    ControlJob.objects.create(
        cluster=cluster,
        node=node,
        node_number=node.node_id,
        node_name=node.address,
        action="restart",
        status=JobStatus.SUCCEEDED,
        requested_by_name="alice",
        reason="It leaks memory.",
        queued_at=at,
        started_at=at,
        finished_at=at + timedelta(seconds=20),
    )


def cluster_grow(cluster: Cluster, nodes: int) -> None:
    """More nodes, without figures."""
    for number in range(Node.objects.filter(cluster=cluster).count(), nodes):
        node = Node.objects.get(cluster=cluster, node_id=3)
        node.pk, node.node_id, node.host = None, number, f"node{number}"
        node.save()


@pytest.mark.parametrize("size", [(1440, 900), (380, 780)], ids=["wide", "narrow"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/node/1",
        "/node/1#trends",
        "/node/1#control",
        "/trends",
        "/trends?nodes=0-3",
        "/trends?view=heatmap",
        "/trends?view=top",
        "/history/storage",
    ],
)
def test_nothing_moves_while_a_page_comes_and_lives(
    visit: Visit, path: str, size: tuple[int, int]
) -> None:
    visit.tab.set_viewport_size({"width": size[0], "height": size[1]})
    visit.open(path)
    visit.tab.wait_for_load_state("networkidle")
    visit.tab.wait_for_timeout(1500)
    assert shifted(visit) < SEEN, "\n".join(visit.tab.evaluate("window.moves"))


def charts_settle(visit: Visit) -> None:
    """Until the curves are there, and their marks, which are asked for after them."""
    expect(visit.tab.locator(".board")).not_to_have_attribute("aria-busy", "true")
    visit.tab.wait_for_timeout(1000)


def open_charts(visit: Visit, path: str) -> None:
    visit.open(path)
    visit.tab.locator("#trends").scroll_into_view_if_needed()
    expect(visit.tab.locator("section.chart canvas").first).to_be_visible()
    charts_settle(visit)


def test_new_points_come_and_the_reader_is_not_disturbed(
    visit: Visit, cluster: Cluster, now: datetime
) -> None:
    """Somebody reads the CPU of node 1 while 20 new samples of 97 % and a control job come."""
    open_charts(visit, "/node/1?from=-5m&to=now")
    cpu = visit.tab.locator("section.chart[aria-label='CPU']")
    ram = visit.tab.locator("section.chart[aria-label='RAM']")
    figure = cpu.locator(".legend b")
    expect(figure).to_have_text(re.compile(r"^1\d\.\d %$"))
    ram.locator(".legend").click()
    cpu.get_by_role("button", name="Table").click()
    table = cpu.get_by_role("region", name="CPU as a table")
    table.evaluate("region => { region.scrollTop = 150; }")
    table.focus()
    visit.tab.evaluate("window.sameDocument = true; window.shifts = 0; window.moves = []")
    tops = visit.tab.evaluate(TOPS)
    said = cpu.locator(".chart__plot").get_attribute("aria-label")
    lines = table.locator("tbody tr").count()

    with TURN:
        node = Node.objects.get(node_id=1)
        subject = node_subject(node.pk)
        at = timezone.now() + timedelta(seconds=1)
        new = [int(at.timestamp() * 1000) + 1000 * n for n in range(-20, 0)]
        batch = SampleBatch(
            *(subject.kind, subject.key, "system", node.address, node.boot, new),
            list(range(200_000, 200_020)),
            {"cpu_usage_pct": [97.0 for _ in new]},
        )
        stored = samples_store(cluster_key=cluster.pk, batches=[batch], at=at)
        job_make(cluster, node, at=at - timedelta(seconds=60))
    assert stored.new == len(new)

    expect(figure).to_have_text("97.0 %", timeout=30_000)
    assert cpu.locator(".chart__plot").get_attribute("aria-label") != said
    expect(table.get_by_text("97.0 %").first).to_be_attached()
    expect(cpu.locator(".mark")).to_have_count(1)
    # The page is the same one, and so is all that the reader had set.
    assert visit.tab.evaluate("window.sameDocument") is True
    expect(table).to_be_focused()
    assert table.evaluate("region => region.scrollTop") == 150
    assert abs(table.locator("tbody tr").count() - lines) < 10
    expect(ram.locator(".legend")).to_have_attribute("aria-pressed", "false")
    assert visit.tab.evaluate(TOPS) == pytest.approx(tops, abs=1)
    assert shifted(visit) < SEEN, "\n".join(visit.tab.evaluate("window.moves"))


def test_who_looks_at_the_past_is_left_alone(visit: Visit, cluster: Cluster) -> None:
    """Zoomed in, there is nothing to follow: no question is asked, nothing is drawn anew."""
    open_charts(visit, "/node/1?from=-20m&to=now")
    plot = visit.tab.locator("section.chart[aria-label='CPU'] .u-over")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    visit.tab.mouse.move(box["x"] + box["width"] * 0.25, middle)
    visit.tab.mouse.down()
    visit.tab.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=4)
    visit.tab.mouse.up()
    visit.tab.wait_for_url(re.compile(r"from=20.*to=20"))
    charts_settle(visit)
    url = visit.tab.url
    asked: list[str] = []
    visit.tab.on("request", lambda request: asked.append(request.url))
    visit.tab.wait_for_timeout(7_000)
    assert [one for one in asked if "/api/history/" in one] == []
    assert visit.tab.url == url
    assert any("/fragments/" in one for one in asked)  # the rest of the page lives on


def test_many_nodes_are_drawn_as_one_and_it_says_so(visit: Visit, cluster: Cluster) -> None:
    with TURN:
        cluster_grow(cluster, 30)
    visit.open("/trends?nodes=all&from=-20m&to=now&live=0")
    note = visit.tab.locator("[data-many-note]")
    expect(note).to_contain_text("30 nodes are too many to draw each")
    ram = visit.tab.locator("section.chart[aria-label='RAM']")
    expect(ram.locator(".legend bdi")).to_have_text(
        ["average of 30; band: lowest to highest", "95th percentile of 30"]
    )
    expect(ram.locator(".legend b").first).to_have_text("48.5 %")  # 50, 49, 48 and 47
    with visit.tab.expect_download() as saved:
        ram.get_by_role("link", name="CSV").click()
    assert saved.value.suggested_filename.startswith("clio-fleet-")
    note.get_by_role("button", name="heatmap").click()
    expect(visit.tab.locator("[data-heatmap-note]")).to_contain_text("4 lines")
    expect(visit.tab).to_have_url(re.compile(r"view=heatmap.*nodes=all|nodes=all.*view=heatmap"))
    visit.tab.go_back()
    note.get_by_role("button", name="top list").click()
    expect(visit.tab.locator("[data-top-lines] tr").first).to_contain_text("node3")
    visit.tab.go_back()
    visit.tab.get_by_role("searchbox", name="Nodes").fill("0-2")
    expect(ram.locator(".legend bdi")).to_have_text(["node0", "node1", "node2"])
    expect(note).to_be_hidden()


def test_a_curve_that_is_put_away_is_so_for_a_colleague(visit: Visit) -> None:
    visit.open("/trends?nodes=0-2&from=-20m&to=now&live=0")
    cpu = visit.tab.locator("section.chart[aria-label='CPU']")
    cpu.get_by_role("button", name="node1").click()
    expect(visit.tab).to_have_url(re.compile(r"hide=CPU%2Fnode1"))
    visit.tab.get_by_role("button", name="15 min").click()
    expect(visit.tab).to_have_url(re.compile(r"from=-15m.*hide=CPU|hide=CPU.*from=-15m"))
    other = visit.tab.context.new_page()
    other.goto(visit.tab.url)
    legend = other.locator("section.chart[aria-label='CPU'] .legend")
    expect(legend).to_have_count(3)
    assert [one.get_attribute("aria-pressed") for one in legend.all()] == ["true", "false", "true"]
    ram = other.locator("section.chart[aria-label='RAM'] .legend").nth(1)
    expect(ram).to_have_attribute("aria-pressed", "true")
    cpu.get_by_role("button", name="node1").click()
    expect(visit.tab).not_to_have_url(re.compile("hide="))
    visit.tab.go_back()
    expect(cpu.locator(".legend").nth(1)).to_have_attribute("aria-pressed", "false")
