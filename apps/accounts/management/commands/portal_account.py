"""Make or change an account from the command line."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.services import account_save, password_generate, token_replace
from apps.common.errors import PortalError
from apps.common.time import utc_now


class Command(BaseCommand):
    requires_system_checks = ()  # they would load every page; `doctor` makes them
    help = (
        "Make an account or change its role and password. A new account without "
        "--password-stdin gets a generated password, which is printed once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", required=True)
        parser.add_argument("--role", required=True, choices=[role.value for role in Role])
        parser.add_argument(
            "--password-stdin", action="store_true", help="Read the password from standard input."
        )
        parser.add_argument(
            "--service", action="store_true", help="A service account: tokens, no password."
        )
        parser.add_argument(
            "--token-name",
            metavar="NAME",
            help="Make an API token of this name; one that exists is replaced.",
        )
        parser.add_argument(
            "--token-scope",
            choices=[scope.value for scope in ApiToken.Scope],
            default=None,
            help="Default: operate for operators and administrators, read for viewers.",
        )
        parser.add_argument("--json", action="store_true", help="Print one line of JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        role = Role(options["role"])
        try:
            result = self._save(role, options)
        except PortalError as error:
            raise CommandError(f"{error.message} {error.remedy or ''}".strip()) from error
        if options["json"]:
            self.stdout.write(json.dumps(result))
        else:
            for name, value in result.items():
                self.stdout.write(f"{name}: {value}")

    def _save(self, role: Role, options: dict[str, Any]) -> dict[str, Any]:
        """``{"username", "role", "created", "password"? (generated), "token"?}``."""
        username = options["username"]
        password: str | None = None
        generated = False
        if options["password_stdin"]:
            password = sys.stdin.readline().rstrip("\r\n")
        elif not options["service"] and not User.objects.filter(username=username).exists():
            password, generated = password_generate(), True
        user, created = account_save(
            username=username,
            role=role,
            password=password,
            service=options["service"],
            at=utc_now(),
        )
        result: dict[str, Any] = {
            "username": user.username,
            "role": role.value,
            "created": created,
        }
        if generated:
            result["password"] = password
        if options["token_name"]:
            scope = options["token_scope"] or (
                ApiToken.Scope.READ if role is Role.VIEWER else ApiToken.Scope.OPERATE
            )
            _, result["token"] = token_replace(
                user=user, name=options["token_name"], scope=ApiToken.Scope(scope)
            )
        return result
