"""`manage.py verify_audit`: is the audit trail whole and unchanged?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.verify import audit_verify


class Command(BaseCommand):
    requires_system_checks = ()  # they would load every page; `doctor` makes them
    help = (
        "Check the audit trail's chain of hashes. Exit code 0: whole and unchanged; 1: the first "
        "bad row is named. Note the head that it prints somewhere else, and give it back with "
        "--expect: then even a trail that was cut and chained anew is found out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--expect", metavar="NUMBER:HASH", help="a head printed earlier, which must be in it"
        )

    def handle(self, *args: Any, expect: str | None, **options: Any) -> None:
        verdict = audit_verify()
        if not verdict.intact:
            where = "" if verdict.bad_number is None else f" First bad row: #{verdict.bad_number}."
            raise CommandError(f"The audit trail is broken.{where} {verdict.finding}")
        if expect:
            self._expect(expect)
        self.stdout.write(
            f"The audit trail is intact: {verdict.checked} events, "
            f"head {verdict.head_number}:{verdict.head_hash}"
        )

    def _expect(self, expect: str) -> None:
        from apps.audit.models import AuditEvent

        number, _, digest = expect.partition(":")
        if not number.isdigit() or len(digest) != 64:
            raise CommandError("--expect takes NUMBER:HASH as an earlier run printed it.")
        if not AuditEvent.objects.filter(number=int(number), hash=digest).exists():
            raise CommandError(
                f"The audit trail is broken. First bad row: #{number}. "
                "It is not the row that the noted head names: the trail was rewritten."
            )
