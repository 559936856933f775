"""Bring the database to what this version needs. Run before the other processes start."""

from __future__ import annotations

import time
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection

from apps.accounts.models import User
from apps.accounts.services import first_administrator_ensure
from apps.cluster.services import cluster_ensure
from apps.common.time import utc_now

POLL_S = 1.0


class Command(BaseCommand):
    requires_system_checks = ()  # they would load every page; `doctor` makes them
    help = (
        "Wait for the database and bring its tables to what this version needs. "
        "Can be run again at any time, and by two at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait",
            type=float,
            default=60.0,
            metavar="SECONDS",
            help="how long to wait for a database that is still starting (%(default)s)",
        )
        parser.add_argument(
            "--first-account",
            action="store_true",
            help="where nobody can administer, make an administrator and print the password",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._wait_database(options["wait"])
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        cluster_ensure(at=utc_now())
        self.stdout.write("The database is ready.")
        if options["first_account"]:
            self._first_account()
        elif not User.objects.exists():
            self.stdout.write(
                "Nobody can sign in yet. Make the first account with: "
                "python manage.py prepare --first-account"
            )

    def _first_account(self) -> None:
        first = first_administrator_ensure(at=utc_now())
        if first is not None:
            user, password = first
            self.stdout.write(f"The first account. User name: {user.username}")
            self.stdout.write(f"Password, shown this once: {password}")

    def _wait_database(self, wait_s: float) -> None:
        until = time.monotonic() + wait_s
        while True:
            try:
                connection.ensure_connection()
            except OperationalError as error:
                if time.monotonic() >= until:
                    raise CommandError(
                        f"The database of CLIO_PORTAL_DATABASE_URL does not answer: {error}"
                    ) from error
                time.sleep(POLL_S)
            else:
                return
