"""`manage.py audit_retention`: let old events go, on the record."""

from __future__ import annotations

import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.retention import audit_due, audit_retention
from apps.audit.services import Actor
from apps.audit.verify import audit_verify
from apps.common.time import utc_now

SHORTEST_DAYS = 30


class Command(BaseCommand):
    requires_system_checks = ()  # they would load every page; `doctor` makes them
    help = (
        "Remove the events of the audit trail that are older than some days. The removal is "
        "itself an event, with the number and hash of the last one that left, so that "
        "verify_audit still proves the rest. Refused while the trail is broken."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days",
            type=int,
            help="keep so many (30 or more); when left out, CLIO_PORTAL_AUDIT_DAYS says",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count what would go")

    def handle(self, *args: Any, days: int | None, dry_run: bool, **options: Any) -> None:
        kept: int = settings.PORTAL_AUDIT_DAYS if days is None else days
        if kept == 0 and days is None:
            raise CommandError(
                "CLIO_PORTAL_AUDIT_DAYS is 0: the trail is kept for ever. Say --days."
            )
        if kept < SHORTEST_DAYS:
            raise CommandError(f"At least {SHORTEST_DAYS} days are kept.")
        at = utc_now()
        if dry_run:
            due = audit_due(days=kept, at=at)
            self.stdout.write(f"{due} events are older than {kept} days. Nothing was removed.")
            return
        verdict = audit_verify()
        if not verdict.intact:
            # What is left of the evidence must not go before somebody has looked at it.
            raise CommandError(
                f"The audit trail is broken: {verdict.finding} Nothing was removed; "
                "see manage.py verify_audit."
            )
        who = Actor(None, f"{_user()} (command line)"[:150])
        removed = audit_retention(days=kept, actor=who, at=at)
        self.stdout.write(f"{removed} events older than {kept} days were removed.")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
