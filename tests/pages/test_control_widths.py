"""The pages of control on a narrow and on a wide screen: nothing sticks out, texts stand out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from apps.accounts.roles import Role
from apps.audit.services import Actor
from apps.common.time import utc_now
from apps.control.models import BatchItem, ControlJob, JobBatch, JobCheck, JobLine
from apps.nodes.maintenance import maintenance_begin
from tests.accounts.people import person_make
from tests.browser import BROWSER_MARKS, TURN, later, visiting
from tests.control.kit import launch, node_of
from tests.factories import cluster_of_four

pytestmark = BROWSER_MARKS
CONTRAST = Path(__file__).with_name("contrast.js").read_text()
LONG = "W" * 120
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PATHS = (
    *("/", "/node/1", "/node/1/actions", "/node/1/actions/restart", "/node/0/actions/shutdown"),
    *("/node/1/maintenance", "/node/2/maintenance", "/jobs", "/jobs/{job}", "/batches"),
    *("/batches/new", "/batches/{batch}", "/audit", "/audit/1", "/accounts/me"),
    *("/accounts/me/tokens", "/accounts/confirm", "/people", "/people/roles", "/people/new"),
    *("/people/{person}", "/people/tokens", "/accounts/me/password"),
)


@pytest.fixture
def numbers(browser_url: str, settings: Any) -> dict[str, int]:
    """A job that failed with long words, a batch, and a node that is kept out of service."""
    settings.PORTAL_CLIO_RUN = "/opt/clio/bin/clio_run"
    with TURN:
        cluster_of_four(at=later())
        job = launch(1, reason=LONG).job
        at = utc_now()
        ControlJob.objects.filter(pk=job.pk).update(
            status="failed", outcome=LONG, remedy=LONG, warnings=[LONG], finished_at=at
        )
        JobLine.objects.create(job=job, number=1, stream="stderr", text=LONG * 4, at=at)
        JobCheck.objects.create(job=job, at=at, phase="before", found=LONG, reached=False)
        batch = JobBatch.objects.create(
            cluster=job.cluster, action="restart", size=1, requested_by=job.requested_by,
            requested_by_name="operator", reason=LONG, outcome=LONG, status="canceled",
            warnings=[LONG], created_at=at, finished_at=at,
        )  # fmt: skip
        for place, item in enumerate((job, None)):
            BatchItem.objects.create(
                batch=batch, position=place, node=node_of(place + 1), node_number=place + 1,
                job=item, status="skipped", note=LONG,
            )  # fmt: skip
        maintenance_begin(
            node_of(1), actor=Actor(1, LONG), reason=LONG, until=at + timedelta(days=3), at=at
        )
        return {"job": job.pk, "batch": batch.pk}


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1440, "light")])
def test_nothing_sticks_out_and_texts_stand_out(
    chromium: Browser, browser_url: str, numbers: dict[str, int], width: int, scheme: Any
) -> None:
    with TURN:
        user = person_make(Role.ADMINISTRATOR)
    numbers |= {"person": user.pk}
    size = {"width": width, "height": 800}
    with visiting(chromium, browser_url, user, viewport=size, color_scheme=scheme) as visit:
        wrong = {}
        for path in PATHS:
            visit.open(path.format(**numbers))
            expect(visit.tab.get_by_text("loading", exact=True)).to_have_count(0)
            found = visit.tab.evaluate(WIDER), visit.tab.evaluate(CONTRAST)
            if found != (0, []):
                wrong[path] = found
        visit.open("/")
        visit.tab.get_by_role("link", name="Restart node 1").click()
        dialog = visit.tab.locator("dialog[open]")
        expect(dialog.get_by_label("Why")).to_be_focused()
        wide = dialog.evaluate("(box) => box.scrollWidth - box.clientWidth")
        if (wide, visit.tab.evaluate(CONTRAST)) != (0, []):
            wrong["dialog"] = wide, visit.tab.evaluate(CONTRAST)
        assert wrong == {}
