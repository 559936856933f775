"""Times that people write are in the zone in which their pages show times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, expect

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.accounts.zones import time_read, zone_of
from apps.audit.models import AuditEvent
from apps.common.time import utc_now
from apps.control.models import ControlJob
from apps.nodes.models import Maintenance
from tests.accounts.people import person_make, signed_in
from tests.browser import BROWSER_MARKS, TURN, visiting
from tests.control.kit import cluster_with_nodes, launch
from tests.pages.markup import Markup

AT = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
"""Half past midnight of the 29th in Berlin, on the night that skips an hour there."""


@pytest.fixture
def administrator(db: None) -> User:
    return somebody()


def somebody() -> User:
    """An administrator, and one job that was launched AT."""
    cluster_with_nodes(4)
    job = launch(2, reason="the job of that night").job
    ControlJob.objects.filter(pk=job.pk).update(queued_at=AT)
    return person_make(Role.ADMINISTRATOR)


def of_zone(user: User, zone: str) -> Client:
    User.objects.filter(pk=user.pk).update(time_zone=zone)
    return signed_in(User.objects.get(pk=user.pk))


def jobs_found(client: Client, query: str) -> bool:
    return "the job of that night" in client.get(f"/jobs?{query}").content.decode()


def events_found(client: Client, query: str) -> bool:
    shown = Markup(client.get(f"/audit?action=job&{query}").content.decode())
    return bool([url for url in shown.attributes("href") if url.startswith("/audit/1")
                 or url.removeprefix("/audit/").isdigit()])  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "query", "found"),
    [
        ("", "since=2026-03-28T23:00&until=2026-03-29T00:00", True),
        ("Europe/Berlin", "since=2026-03-28T23:00&until=2026-03-29T00:00", False),
        ("Europe/Berlin", "since=2026-03-29T00:30&until=2026-03-29T00:31", True),
        ("Europe/Berlin", "since=2026-03-29", True),
        ("Europe/Berlin", "until=2026-03-28", False),
        ("Europe/Berlin", "until=2026-03-29", True),
        ("Europe/Berlin", "since=2026-03-28T23:30Z&until=2026-03-28T23:31Z", True),
        ("America/New_York", "since=2026-03-28T19:30&until=2026-03-28T19:31", True),
        # Without a zone in the profile: the browser's, which the form sends.
        ("", "since=2026-03-29T00:30&until=2026-03-29T00:31&zone=Europe/Berlin", True),
        # Somebody else's link keeps its meaning.
        ("Asia/Tokyo", "since=2026-03-29T00:30&until=2026-03-29T00:31&zone=Europe/Berlin", True),
        ("", "since=2026-03-28T23:30&until=2026-03-28T23:31&zone=No/Where", True),
        ("", "since=2026-03-28T23:30&until=2026-03-28T23:31&zone=../../etc/passwd", True),
    ],
)
def test_a_filter_means_the_viewer_s_zone(
    administrator: User, zone: str, query: str, found: bool
) -> None:
    client = of_zone(administrator, zone)
    assert jobs_found(client, query) is found


@pytest.mark.parametrize("path", ["/jobs", "/audit"])
def test_the_zone_stands_by_the_field(administrator: User, path: str) -> None:
    client = of_zone(administrator, "Europe/Berlin")
    shown = client.get(f"{path}?since=2026-07-01T12:00&zone=UTC").content.decode()
    assert "(Europe/Berlin)" in Markup(shown).text.replace("( ", "(").replace(" )", ")")
    assert 'value="2026-07-01T14:00"' in shown, "moved into the viewer's own"
    assert (
        "since=2026-07-01T10%3A00%3A00Z"
        in client.get(f"{path}?since=2026-07-01T12:00").content.decode()
    ), "links and files name the instant"


def test_the_trail_is_filtered_alike(administrator: User) -> None:
    at = AuditEvent.objects.get(action="job.launch").at
    local = at.astimezone(zone_of("Asia/Tokyo"))
    client = of_zone(administrator, "Asia/Tokyo")
    assert events_found(client, f"since={local:%Y-%m-%dT%H:%M}")
    assert not events_found(client, f"since={local + timedelta(minutes=1):%Y-%m-%dT%H:%M}")
    assert not events_found(client, f"until={local:%Y-%m-%dT%H:%M}")
    answer: Any = client.get(f"/audit/export.csv?action=job&until={local:%Y-%m-%dT%H:%M}")
    assert len(b"".join(answer.streaming_content).splitlines()) == 1, "its head"


def test_maintenance_ends_when_it_says(administrator: User) -> None:
    client = of_zone(administrator, "Asia/Tokyo")
    client.post(
        "/node/2/maintenance", {"reason": "a disk", "length": "until", "until": "2099-01-02T03:04"}
    )
    assert Maintenance.objects.get().until == datetime(2099, 1, 1, 18, 4, tzinfo=UTC)
    assert 'value="2099-01-02T03:04"' in client.get("/node/2/maintenance").content.decode()


@pytest.mark.parametrize("text", ["", "nonsense", "2026-13-01", "0001-01-01T00:00", "2026-02-30"])
def test_what_is_no_time(text: str) -> None:
    assert time_read(text, zone_of("Asia/Tokyo") or UTC) is None


class TestInABrowser:
    """Nothing in the profile: the pages show times in the browser's zone, and so do the fields."""

    pytestmark = BROWSER_MARKS

    @pytest.fixture
    def opened(self, chromium: Browser, browser_url: str) -> Callable[..., Any]:
        with TURN:
            user = somebody()
        return lambda: visiting(chromium, browser_url, user, timezone_id="Europe/Berlin")

    def test_the_browser_says_its_zone(self, opened: Callable[..., Any]) -> None:
        with opened() as visit:
            for path in ("/jobs", "/audit"):
                visit.open(path)
                expect(visit.tab.get_by_label("From (Europe/Berlin)")).to_be_visible()
            visit.open("/jobs")
            visit.tab.get_by_label("From (Europe/Berlin)").fill("2026-03-29T00:30")
            visit.tab.get_by_label("Until (Europe/Berlin)").fill("2026-03-29T00:31")
            visit.tab.get_by_role("button", name="Filter").click()
            expect(visit.tab.locator("#jobs tbody tr")).to_have_count(1)
            expect(visit.tab.get_by_label("From (Europe/Berlin)")).to_have_value("2026-03-29T00:30")
            visit.open("/jobs?since=2026-03-28T23:31Z")
            expect(visit.tab.get_by_label("From (Europe/Berlin)")).to_have_value("2026-03-29T00:31")
            expect(visit.tab.locator("#jobs tbody tr")).to_have_count(0)

    def test_maintenance_too(self, opened: Callable[..., Any]) -> None:
        with opened() as visit:
            until = utc_now().replace(second=0, microsecond=0) + timedelta(days=2)
            local = f"{until.astimezone(zone_of('Europe/Berlin')):%Y-%m-%dT%H:%M}"
            visit.open("/node/2/maintenance")
            visit.tab.get_by_label("Why").fill("a disk")
            visit.tab.locator("input[name=length][value=until]").check()
            visit.tab.get_by_role("textbox", name="Until").fill(local)
            visit.tab.get_by_role("button", name="Keep it out of service").click()
            visit.tab.wait_for_url("**/node/2")
            with TURN:
                assert Maintenance.objects.get().until == until
            visit.open("/node/2/maintenance")
            expect(visit.tab.get_by_role("textbox", name="Until")).to_have_value(local)
