"""What the trail keeps of signing in and out. Called by every way of doing so."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.services.accounts import account_facts, account_target
from apps.accounts.sessions import session_begin
from apps.audit.models import Outcome
from apps.audit.services import Actor, AuditTarget, audit_record
from apps.common.client_address import client_address
from apps.common.once import first_in

NAME_LENGTH = 150
LOCKED = "Too many wrong passwords: locked out at this address for a while."


def signed_in(
    request: HttpRequest,
    user: User,
    *,
    at: datetime,
    by: str,
    proven_at: datetime | None = None,
) -> None:
    """Right after Django's `login`. `by` is a word: password, ldap, oidc.

    `proven_at` as in `session_begin`.
    """
    session_begin(request, at=at, proven_at=proven_at)
    audit_record(
        action="auth.sign_in",
        actor=Actor.of(user),
        at=at,
        target=account_target(user),
        after={"by": by, "role": account_facts(user)["role"]},
    )


def signed_out(user: User, *, at: datetime, reason: str = "") -> None:
    audit_record(
        action="auth.sign_out",
        actor=Actor.of(user),
        at=at,
        target=account_target(user),
        reason=reason,
    )


def sign_in_failed(
    *, username: str, at: datetime, reason: str, action: str = "auth.sign_in_failed"
) -> None:
    """The name is what somebody typed: of nobody, perhaps."""
    audit_record(
        action=action,
        actor=Actor(None, "anonymous"),
        at=at,
        outcome=Outcome.DENIED,
        target=AuditTarget("account", "", username[:NAME_LENGTH]),
        reason=reason,
    )


def sign_in_locked(
    request: HttpRequest, *, username: str, credentials: dict[str, Any] | None, at: datetime
) -> None:
    """The lock-out itself is one event, not each try while it lasts."""
    key = f"locked-out:{client_address(request)}:{username[:NAME_LENGTH].lower().encode().hex()}"
    is_unsaid = first_in(key, seconds=int(settings.AXES_COOLOFF_TIME.total_seconds()))
    # Exactly the limit: it has just begun, perhaps anew after somebody ended the last one.
    failures = AxesProxyHandler.get_failures(request, credentials)
    if is_unsaid or failures == settings.AXES_FAILURE_LIMIT:
        sign_in_failed(username=username, at=at, reason=LOCKED, action="auth.locked_out")


def confirmed(user: User, *, at: datetime, succeeded: bool) -> None:
    """The password was asked again before something dangerous."""
    audit_record(
        action="auth.confirm",
        actor=Actor.of(user),
        at=at,
        outcome=Outcome.SUCCEEDED if succeeded else Outcome.DENIED,
        target=account_target(user),
        reason="" if succeeded else "The password was wrong.",
    )
