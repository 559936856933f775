"""Control as people do it, in a browser: a portal of its own process, jobs that really act.

The nodes are simulated and all on this machine, so every stop asks for a second word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.live.portal import LivePortal, live_portal

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery staple"
SLOW_MS = 60_000
"""For what a job has to do first: stop, start, be seen again."""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Tab:
    """One person's tab; `complaints`: whatever its console said."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def note(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    @property
    def dialog(self) -> Locator:
        return self.page.locator("dialog[open]")

    def press(self, name: str, *, inside: Locator | None = None) -> None:
        (inside or self.page).get_by_role("button", name=name, exact=True).click()

    def is_in_order(self) -> None:
        """Nothing sticks out at the side, and nothing was complained about."""
        assert self.page.evaluate(WIDER) == 0
        assert self.complaints == []


def password_set(portal: LivePortal, role: str) -> None:
    script = (
        "from apps.accounts.models import User; from apps.accounts.roles import Role;"
        "from django.contrib.auth.models import Group; import json;"
        f"user, _ = User.objects.get_or_create(username='{role}');"
        f"user.set_password('{PASSWORD}'); user.save();"
        f"user.groups.set([Group.objects.get(name='{role}')]); print(json.dumps(1))"
    )
    portal.single.manage("shell", "--no-imports", "-c", script)


@contextmanager
def tab_of(browser: Browser, portal: LivePortal, role: str, **given: Any) -> Iterator[Tab]:
    """Somebody of this role who signs in by the page."""
    password_set(portal, role)
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | given)
    tab = Tab(context.new_page(), portal.url)
    tab.page.on("console", tab.note)
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    try:
        tab.open("/accounts/login/")
        tab.page.get_by_label("User name").fill(role)
        tab.page.get_by_label("Password").fill(PASSWORD)
        tab.press("Sign in")
        expect(tab.page.get_by_role("heading", name="Topology")).to_be_visible()
        yield tab
        tab.is_in_order()
    finally:
        context.close()


@pytest.fixture
def healed(portal: LivePortal) -> LivePortal:
    portal.heal()
    return portal


@pytest.fixture
def operator(chromium: Browser, healed: LivePortal) -> Iterator[Tab]:
    with tab_of(chromium, healed, "operator") as tab:
        yield tab


def order(tab: Tab, node_id: int, action: str, reason: str) -> None:
    """Fill in the dialog or the page that is open, and go on to the job."""
    form = tab.page.locator("form.ask")
    form.get_by_label("Why").fill(reason)
    form.get_by_label("I have read this").check()
    tab.press(action, inside=form)
    expect(tab.page).to_have_url(re.compile(r"/jobs/\d+$"))
    expect(tab.page.get_by_role("heading", name=f"{action}: node {node_id}")).to_be_visible()


def status(tab: Tab) -> Locator:
    return tab.page.locator(".node-head .tag").first


def test_a_viewer_has_nothing_to_press(chromium: Browser, healed: LivePortal) -> None:
    with tab_of(chromium, healed, "viewer") as tab:
        expect(tab.page.locator(".card")).to_have_count(4)
        expect(tab.page.locator(".card__acts")).to_have_count(0)
        tab.open("/node/2")
        expect(tab.page.locator("#control")).to_contain_text("All jobs of this node")
        expect(tab.page.locator("a[href*='/actions']")).to_have_count(0)
        for path in ("/node/2/actions", "/node/2/actions/shutdown", "/batches/new"):
            assert tab.page.goto(tab.url + path).status == 403  # type: ignore[union-attr]
        script = "async (path) => (await fetch(path, {method: 'POST'})).status"
        for path in ("/node/2/actions/shutdown", "/api/topology/node/2/shutdown"):
            assert tab.page.evaluate(script, path) == 403
        tab.complaints = [text for text in tab.complaints if "403" not in text]
    assert healed.get("/api/topology")[1]["counts"]["alive"] == 4


def test_a_node_is_shut_down_from_its_card_by_keyboard(operator: Tab) -> None:
    page, dialog = operator.page, operator.dialog
    opener = page.get_by_role("link", name="Shut down node 3")
    opener.focus()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("heading", name="Shut down node 3")).to_be_visible()
    expect(dialog.get_by_label("Why")).to_be_focused()
    expect(dialog).to_contain_text("alive")
    expect(dialog).to_contain_text("machine of the portal itself")
    expect(dialog).to_contain_text("clio_run stop")
    expect(dialog).to_contain_text("nothing has been done")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Why")).to_be_focused()
    for _ in range(12):  # whoever tabs on stays inside
        page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('dialog[open]').contains(document.activeElement)"
                         " || document.activeElement === document.body")  # fmt: skip
    dialog.get_by_label("Why").focus()
    operator.press("Shut down", inside=dialog)
    expect(dialog, "without a reason nothing is sent").to_be_visible()
    page.keyboard.type("the fan is loud")
    operator.press("Shut down", inside=dialog)
    expect(dialog, "without the second word nothing is sent").to_be_visible()
    dialog.get_by_label("I have read this").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Shut down: node 3")).to_be_visible()
    expect(status(operator)).to_have_text("succeeded", timeout=SLOW_MS)
    expect(page.locator("#output")).to_contain_text("stop of node 3", timeout=SLOW_MS)
    course = page.locator("#job")
    for words in ("queued", "running", "verifying", "the fan is loud", "down reached"):
        expect(course).to_contain_text(words)
    operator.open("/")
    card = page.locator("[data-node='3']")
    expect(card).to_have_attribute("data-state", "down", timeout=SLOW_MS)
    expect(card).to_contain_text("operator: the fan is loud")
    expect(card.get_by_role("link", name="Start node 3")).to_be_visible()


def test_a_restart_from_the_node_page_is_followed_live(operator: Tab) -> None:
    page = operator.page
    operator.open("/node/2")
    opener = page.locator("#control").get_by_role("link", name="Restart …")
    opener.click()
    expect(operator.dialog.get_by_label("Why")).to_be_focused()
    operator.dialog.get_by_role("link", name="Back, do nothing").click()
    expect(operator.dialog).to_have_count(0)
    expect(opener).to_be_focused()
    opener.click()
    order(operator, 2, "Restart", "a new kernel")
    expect(page.get_by_role("button", name="Cancel this job")).to_be_visible()
    expect(page.locator("#output")).to_contain_text("stop of node 2", timeout=SLOW_MS)
    expect(status(operator)).to_have_text("succeeded", timeout=SLOW_MS)
    expect(page.get_by_role("button", name="Cancel this job")).to_have_count(0)
    expect(page.locator("#job")).to_contain_text("answers reached")
    operator.open("/node/2")
    expect(page.locator("#control")).to_contain_text("operator: a new kernel")


def test_the_leader_and_the_last_living_node_are_named(operator: Tab, healed: LivePortal) -> None:
    page = operator.page
    leader = page.locator(".card", has_text="leader")
    expect(leader).to_have_count(1, timeout=SLOW_MS)
    leader_id = str(leader.get_attribute("data-node"))
    page.get_by_role("link", name=f"Restart node {leader_id}").click()
    expect(operator.dialog).to_contain_text("leads the cluster")
    page.keyboard.press("Escape")
    for node_id in range(3):
        healed.sim.node(node_id).stop()
    for node_id in range(3):
        expect(page.locator(f"[data-node='{node_id}']")).to_have_attribute(
            "data-state", "down", timeout=SLOW_MS
        )
    page.get_by_role("link", name="Shut down node 3").click()
    expect(operator.dialog).to_contain_text("the last one that is alive")


@pytest.fixture
def slow(healed: LivePortal) -> Iterator[Path]:
    """`clio_run` waits for as long as this file is there."""
    brake, clio_run = healed.directory / "brake", healed.directory / "clio_run"
    before = clio_run.read_text()
    wait = f"while os.path.exists({str(brake)!r}): print('waits', flush=True); time.sleep(0.5)\n"
    clio_run.write_text(before.replace("word = sys.argv[1]\n", f"word = sys.argv[1]\n{wait}", 1))
    brake.touch()
    yield brake
    brake.unlink(missing_ok=True)
    clio_run.write_text(before)


def test_a_busy_node_names_the_job_in_the_way_and_the_job_can_be_canceled(
    operator: Tab, slow: Path
) -> None:
    page = operator.page
    page.get_by_role("link", name="Shut down node 1").click()
    expect(operator.dialog.get_by_label("Why")).to_be_focused()
    order(operator, 1, "Shut down", "a disk is broken")
    job = page.url.rpartition("/")[2]
    first = page.locator("#output li").first
    expect(first).to_have_text("waits", timeout=SLOW_MS)
    expect(page.locator("#output li").nth(2)).to_have_text("waits", timeout=SLOW_MS)
    expect(status(operator)).to_have_text("running")

    operator.open("/node/1")
    expect(page.locator("#control")).to_contain_text("Busy with operator's shutdown")
    page.locator("#control").get_by_role("link", name="Restart …").click()
    expect(operator.dialog).to_contain_text("This node is busy: operator's shutdown")
    expect(operator.dialog.get_by_role("link", name=f"job {job}")).to_be_visible()
    operator.dialog.get_by_label("Why").fill("all the same")
    operator.dialog.get_by_label("I have read this").check()
    operator.press("Restart", inside=operator.dialog)
    alert = page.get_by_role("alert").filter(has_text="is busy")
    expect(alert).to_contain_text(f"operator's shutdown, job {job}, is running.")
    expect(alert).to_contain_text("Wait for its end, or cancel it.")
    expect(page.get_by_label("Why")).to_have_value("all the same")
    operator.complaints = [text for text in operator.complaints if "409" not in text]
    alert.get_by_role("link", name=f"See job {job}").click()

    operator.press("Cancel this job")
    expect(status(operator)).to_have_text("canceled", timeout=SLOW_MS)
    expect(page.locator("#job")).to_contain_text("operator")


def test_a_rolling_restart_is_paused_resumed_and_canceled(operator: Tab, slow: Path) -> None:
    page = operator.page
    operator.open("/jobs")
    page.get_by_role("link", name="New rolling action").click()
    page.get_by_label("Nodes", exact=True).fill("0-3")
    page.get_by_label("Why").fill("a new kernel")
    operator.press("Look at what that means")
    expect(page.get_by_text("All 4 nodes that are alive go down, 1 at a time.")).to_be_visible()
    expect(page.locator(".rollcall li")).to_have_count(4)
    operator.press("Restart 4 nodes, 1 at a time")
    expect(page.get_by_role("alert")).to_contain_text("If this is what you want, say so below.")
    operator.complaints = [text for text in operator.complaints if "409" not in text]
    page.get_by_label("I have read this").check()
    operator.press("Restart 4 nodes, 1 at a time")

    expect(page).to_have_url(re.compile(r"/batches/\d+$"))
    items = page.locator("#batch ol.changes li")
    expect(page.locator("#batch")).to_contain_text("0 of 4 done, 1 at a time")
    expect(items.nth(0)).to_contain_text("running", timeout=SLOW_MS)
    expect(items.nth(1)).to_contain_text("waiting")
    operator.press("Pause")
    expect(status(operator)).to_have_text("paused")
    slow.unlink()
    expect(items.nth(0)).to_contain_text("succeeded", timeout=SLOW_MS)
    expect(items.nth(1), "paused: the next is not begun").to_contain_text("waiting")
    expect(page.locator("#batch")).to_contain_text("1 of 4 done")
    operator.press("Resume")
    expect(items.nth(1)).to_contain_text("succeeded", timeout=SLOW_MS)
    slow.touch()
    operator.press("Cancel")
    expect(status(operator)).to_have_text("canceled")
    expect(items.nth(3)).to_contain_text("operator canceled the batch.", timeout=SLOW_MS)
    expect(items.filter(has_text="running")).to_have_count(0, timeout=SLOW_MS)
    expect(page.get_by_role("link", name="Again, with the nodes that are left")).to_be_visible(
        timeout=SLOW_MS
    )


def test_maintenance_is_set_from_the_card_and_shown(operator: Tab) -> None:
    page = operator.page
    page.get_by_role("link", name="More actions on node 1").click()
    operator.dialog.get_by_role("link", name="Maintenance …").click()
    expect(operator.dialog.get_by_role("heading", name="Maintenance of node 1")).to_be_visible()
    operator.dialog.get_by_label("Why").fill("a disk is being replaced")
    operator.dialog.get_by_label("4 hours").check()
    operator.press("Keep it out of service")
    expect(page).to_have_url(re.compile(r"/node/1$"))
    expect(page.get_by_text("Kept out of service")).to_be_visible()
    operator.open("/")
    expect(page.locator("[data-node='1']")).to_contain_text("a disk is being replaced")
    page.get_by_role("link", name="Restart node 1").click()
    expect(operator.dialog).to_contain_text("a disk is being replaced")
    operator.open("/node/1/maintenance")
    operator.press("End it: the node is back in service")
    expect(page.get_by_text("Kept out of service")).to_have_count(0)


def test_an_old_password_is_asked_for_and_nothing_typed_is_lost(
    operator: Tab, healed: LivePortal
) -> None:
    page = operator.page
    session_age(operator, healed)
    operator.open("/")
    page.get_by_role("link", name="Shut down node 2").click()
    expect(operator.dialog).to_contain_text("asks for your password again")
    operator.dialog.get_by_label("Why").fill("the fan is loud")
    operator.dialog.get_by_label("I have read this").check()
    operator.press("Shut down", inside=operator.dialog)
    expect(page.get_by_role("heading", name="Is it still you?")).to_be_visible()
    expect(page.get_by_label("Password of")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing has been done yet")).to_be_visible()
    expect(page.get_by_label("Why")).to_have_value("the fan is loud")
    expect(page.get_by_label("I have read this")).to_be_checked()
    operator.press("Shut down")
    expect(status(operator)).to_have_text("succeeded", timeout=SLOW_MS)


def session_age(tab: Tab, portal: LivePortal) -> None:
    """From now on with a session like one's own, but for a password given long ago."""
    context = tab.page.context
    cookie = next(one for one in context.cookies() if one["name"] == "clio_portal_session")
    script = (
        "import json; from importlib import import_module; from django.conf import settings;"
        "store = import_module(settings.SESSION_ENGINE).SessionStore; aged = store();"
        f"aged.update(store('{cookie['value']}').load() | {{'portal_fresh_at': 0}});"
        "aged.create(); print(json.dumps(aged.session_key))"
    )
    key = portal.single.manage("shell", "--no-imports", "-c", script)
    context.add_cookies(
        [{"name": cookie["name"], "value": key, "domain": cookie["domain"], "path": "/"}]
    )


def test_the_read_only_switch_takes_every_button_away(
    chromium: Browser,
    tmp_path: Path,
) -> None:
    with (
        live_portal(tmp_path, READ_ONLY="true") as portal,
        tab_of(chromium, portal, "operator") as tab,
    ):
        expect(tab.page.locator(".card")).to_have_count(4)
        expect(tab.page.locator(".card__acts")).to_have_count(0)
        tab.open("/node/2")
        expect(tab.page.locator("#control")).to_contain_text("switched to read-only")
        expect(tab.page.locator("#control a[href*='/actions/']")).to_have_count(0)
        tab.open("/node/2/actions/shutdown")
        expect(tab.page.get_by_role("button", name="Shut down")).to_be_disabled()
        for path in ("/node/2/actions", "/batches/new"):
            tab.open(path)
            expect(tab.page.get_by_text("switched to read-only").first).to_be_visible()
        answer = portal.single.url.rstrip("/") + "/api/topology/node/2/shutdown"
        said = tab.page.evaluate(
            """async (url) => {
                const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
                const order = {method: "POST", headers: {"X-CSRFToken": token}};
                const answer = await fetch(url, order);
                return [answer.status, (await answer.json()).code];
            }""",
            answer,
        )
        assert said == [403, "read_only"]
        tab.complaints = [text for text in tab.complaints if "403" not in text]
        assert portal.get("/api/topology")[1]["counts"]["alive"] == 4
