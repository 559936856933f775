"""Old events leave on the record, and only as far as is kept."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.audit import retention
from apps.audit.models import AuditEvent
from apps.audit.retention import audit_retention_by_settings
from apps.audit.services import Actor, audit_record
from apps.audit.tasks import audit_retention_task
from apps.audit.triggers import triggers_install, triggers_remove
from apps.audit.verify import audit_verify
from apps.collector.history.upkeep import Kept
from apps.collector.services import history_removal_record
from apps.common.time import utc_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def trail() -> None:
    """Twenty events: one every ten days, the last one now."""
    for step in range(20):
        audit_record(
            action="x", actor=Actor(1, "ann"), at=utc_now() - timedelta(days=190 - step * 10)
        )


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("audit_retention", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("trail")
def test_the_command_removes_and_says_so_in_the_trail() -> None:
    assert "10 events" in run("--days", "95", "--dry-run")
    assert AuditEvent.objects.count() == 20
    assert "10 events" in run("--days", "95")
    record = AuditEvent.objects.get(action="audit.retention")
    assert (record.after or {})["removed"] == 10
    assert record.before == {"first_number": 1, "last_number": 10}
    assert record.actor_name.endswith("(command line)")
    assert AuditEvent.objects.order_by("number").values_list("number", flat=True)[0] == 11
    assert audit_verify().intact
    assert "0 events" in run("--days", "95")
    assert AuditEvent.objects.filter(action="audit.retention").count() == 1


@pytest.mark.usefixtures("trail")
def test_many_leave_in_steps_and_the_rest_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP", 4)
    assert "10 events" in run("--days", "95")
    assert AuditEvent.objects.filter(action="audit.retention").count() == 3
    assert audit_verify().intact


@pytest.mark.usefixtures("trail")
def test_a_removal_without_record_is_found() -> None:
    run("--days", "95")
    triggers_remove(connection)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_auditevent WHERE number <= 12")
    triggers_install(connection)
    verdict = audit_verify()
    assert (verdict.intact, verdict.bad_number) == (False, 13)


@pytest.mark.usefixtures("trail")
@pytest.mark.parametrize("days", ["29", "0", "-5"])
def test_too_little_is_not_kept(days: str) -> None:
    with pytest.raises(CommandError, match="30 days"):
        run("--days", days)
    assert AuditEvent.objects.count() == 20


def test_without_days_and_setting_nothing_is_done(settings: Any) -> None:
    with pytest.raises(CommandError, match="for ever"):
        run()
    settings.PORTAL_AUDIT_DAYS = 60
    assert "0 events" in run()


@pytest.mark.usefixtures("trail")
def test_a_broken_trail_is_left_as_it_is() -> None:
    triggers_remove(connection)
    AuditEvent.objects.filter(number=5)._raw_delete("default")
    triggers_install(connection)
    with pytest.raises(CommandError, match="broken"):
        run("--days", "95")
    assert AuditEvent.objects.count() == 19


@pytest.mark.usefixtures("trail")
def test_the_scheduled_run_keeps_to_the_setting(settings: Any) -> None:
    audit_retention_task()
    assert AuditEvent.objects.count() == 20
    settings.PORTAL_AUDIT_DAYS = 100
    assert audit_retention_by_settings(at=utc_now()) == 10
    assert AuditEvent.objects.get(action="audit.retention").actor_name == "portal"


def test_a_removal_from_the_history_is_an_event() -> None:
    history_removal_record(Kept(merged=3, removed=120), at=utc_now())
    event = AuditEvent.objects.get(action="history.retention")
    after = event.after or {}
    assert after["removed_rows"] == 120
    assert after["raw_days"] > 0
