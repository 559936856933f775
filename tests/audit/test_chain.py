"""The audit trail grows, is guarded by the database itself, and shows every tampering."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from apps.audit.models import AppendOnly, AuditEvent, AuditHead, Outcome
from apps.audit.services import (
    Actor,
    AuditTarget,
    audit_record,
    audit_remove_before,
)
from apps.audit.triggers import triggers_install, triggers_remove
from apps.audit.verify import audit_verify
from apps.common.request_context import RequestContext, request_context_set

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANN = Actor(7, "ann")

pytestmark = pytest.mark.django_db


def record(count: int, *, start: datetime = AT) -> list[AuditEvent]:
    return [
        audit_record(
            action="job.launch",
            actor=ANN,
            at=start + timedelta(minutes=step),
            target=AuditTarget("node", str(step), f"node {step}"),
            reason=f"reason {step}",
            after={"step": step},
        )
        for step in range(count)
    ]


def tamper(statement: str, *params: str | int | datetime) -> None:
    """As somebody with the database's own password would, past the guards."""
    triggers_remove(connection)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, [str(p) if isinstance(p, datetime) else p for p in params])
    finally:
        triggers_install(connection)


def test_an_intact_trail_verifies_and_counts() -> None:
    record(5)
    verdict = audit_verify()
    assert (verdict.intact, verdict.checked, verdict.head_number) == (True, 5, 5)


def test_an_empty_trail_is_intact() -> None:
    assert audit_verify().intact


def test_numbers_have_no_gap_when_a_transaction_rolls_back() -> None:
    record(1)
    with pytest.raises(RuntimeError), transaction.atomic():
        record(1)
        raise RuntimeError("the caller changed its mind")
    record(1)
    assert list(AuditEvent.objects.order_by("number").values_list("number", flat=True)) == [1, 2]
    assert audit_verify().intact


def test_what_is_added_during_the_check_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    record(3)
    first = AuditHead.objects.first

    def read_while_others_write() -> AuditHead | None:
        head: AuditHead | None = first()
        record(2)
        return head

    monkeypatch.setattr(AuditHead.objects, "first", read_while_others_write)
    verdict = audit_verify()
    assert (verdict.intact, verdict.checked, verdict.head_number) == (True, 3, 3)


@pytest.mark.parametrize(
    ("statement", "params", "bad", "finding"),
    [
        ("UPDATE audit_auditevent SET reason = %s WHERE number = %s", ("nothing", 3), 3, "changed"),
        ("UPDATE audit_auditevent SET actor_name = %s WHERE number = %s", ("bob", 1), 1, "changed"),
        ("UPDATE audit_auditevent SET at = %s WHERE number = %s", (AT, 4), 4, "changed"),
        ("DELETE FROM audit_auditevent WHERE number = %s", (2,), 3, "missing"),
        ("DELETE FROM audit_auditevent WHERE number = %s", (1,), 2, "follow"),
        ("DELETE FROM audit_auditevent WHERE number >= %s", (4,), 4, "newest rows are missing"),
        ("UPDATE audit_auditevent SET number = number + %s WHERE number = 5", (1,), 6, "missing"),
        ("UPDATE audit_audithead SET number = %s", (3,), 4, "goes on to #5"),
    ],
)
def test_tampering_names_the_first_bad_row(
    statement: str, params: tuple[str | int | datetime, ...], bad: int, finding: str
) -> None:
    record(5)
    tamper(statement, *params)
    verdict = audit_verify()
    assert not verdict.intact
    assert verdict.bad_number == bad
    assert finding in verdict.finding


def test_two_rows_that_changed_places_are_found() -> None:
    record(4)
    tamper("UPDATE audit_auditevent SET number = -number WHERE number IN (2, 3)")
    tamper("UPDATE audit_auditevent SET number = 5 + number WHERE number < 0")
    assert audit_verify().bad_number == 2


def test_the_database_itself_refuses_to_change_or_remove() -> None:
    record(2)
    for statement in (
        "UPDATE audit_auditevent SET reason = 'x'",
        "DELETE FROM audit_auditevent",
        "UPDATE audit_audithead SET number = 0",
        "DELETE FROM audit_audithead",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert audit_verify().checked == 2


def test_the_code_refuses_to_change_or_remove() -> None:
    event = record(1)[0]
    with pytest.raises(AppendOnly):
        event.save()
    with pytest.raises(AppendOnly):
        event.delete()
    with pytest.raises(AppendOnly):
        AuditEvent.objects.all().delete()
    with pytest.raises(AppendOnly):
        AuditEvent.objects.filter(pk=event.pk).update(reason="x")


def test_retention_leaves_a_record_and_the_rest_verifies() -> None:
    record(6)
    removed = audit_remove_before(
        before=AT + timedelta(minutes=3), actor=Actor.portal(), at=AT + timedelta(days=1)
    )
    assert removed == 3
    last = AuditEvent.objects.order_by("-number").first()
    assert last is not None
    assert last.action == "audit.retention"
    assert last.before == {"first_number": 1, "last_number": 3}
    assert audit_verify().intact
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_auditevent WHERE number = 4")


def test_retention_with_nothing_old_does_nothing() -> None:
    record(2)
    assert audit_remove_before(before=AT, actor=Actor.portal(), at=AT) == 0
    assert AuditEvent.objects.count() == 2


def test_secrets_are_masked_and_hostile_text_is_kept_readable() -> None:
    event = audit_record(
        action="config.change",
        actor=Actor(1, "eve\x00\r\nroot" + "x" * 300),
        at=AT,
        after={"db": {"password": "hunter2", "user": "me"}, "tokens": ["abc"], "note": "a\x00b"},
        outcome=Outcome.FAILED,
    )
    event.refresh_from_db()
    assert "hunter2" not in str(event.after)
    assert "abc" not in str(event.after)
    assert event.after is not None
    assert event.after["db"]["user"] == "me"
    assert event.after["note"] == "a\N{REPLACEMENT CHARACTER}b"
    assert "\n" not in event.actor_name
    assert len(event.actor_name) == 150
    assert audit_verify().intact


def test_the_request_is_written_down() -> None:
    with request_context_set(RequestContext("req-1", "192.0.2.7", "curl/8")):
        event = record(1)[0]
    assert (event.request_id, event.address, event.user_agent) == ("req-1", "192.0.2.7", "curl/8")


def test_the_command_prints_a_head_that_finds_a_rewritten_trail() -> None:
    record(3)
    out = StringIO()
    call_command("verify_audit", stdout=out)
    head = AuditHead.objects.get()
    noted = f"{head.number}:{head.hash}"
    assert noted in out.getvalue()
    call_command("verify_audit", expect=noted, stdout=StringIO())
    with pytest.raises(CommandError, match="rewritten"):
        call_command("verify_audit", expect=f"{head.number}:{'a' * 64}", stdout=StringIO())
    tamper("UPDATE audit_auditevent SET reason = 'x' WHERE number = 2")
    with pytest.raises(CommandError, match="First bad row: #2"):
        call_command("verify_audit", stdout=StringIO())
