"""Writes to API tokens, each on the record. Their secrets are in no record."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from apps.accounts.errors import AccountInvalid
from apps.accounts.models import ApiToken, User
from apps.accounts.recent_tokens import recent_tokens_forget
from apps.accounts.services.accounts import COMMAND_LINE
from apps.audit.models import Outcome
from apps.audit.services import Actor, AuditTarget, audit_record
from apps.common.once import first_in
from apps.common.time import utc_now

REFUSED_EVERY = timedelta(minutes=10)


@transaction.atomic
def token_create(
    *,
    user: User,
    name: str,
    scope: ApiToken.Scope = ApiToken.Scope.READ,
    allowed_network: str = "",
    expires_at: datetime | None = None,
    actor: Actor = COMMAND_LINE,
    at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """The row, and the secret: the only time that it exists in clear. Raises AccountInvalid."""
    token, secret = ApiToken.objects.create(
        user=user,
        expiry=None,
        name=name,
        scope=scope,
        allowed_network=network_text(allowed_network),
    )
    if expires_at is not None:
        token.expiry = expires_at
        token.save(update_fields=["expiry"])
    _record("api_token.create", token, actor=actor, at=at or utc_now(), after=token_facts(token))
    return token, secret


def network_text(text: str) -> str:
    """``10.0.0.7/8`` → ``10.0.0.0/8``; empty stays so. Raises AccountInvalid."""
    if not text:
        return ""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        raise AccountInvalid(f"{text!r} is no network such as 10.0.0.0/8.") from error


@transaction.atomic
def token_replace(
    *,
    user: User,
    name: str,
    scope: ApiToken.Scope = ApiToken.Scope.READ,
    actor: Actor = COMMAND_LINE,
    at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A fresh token in place of those of the same name, which end."""
    at = at or utc_now()
    for old in ApiToken.objects.filter(user=user, name=name, revoked_at=None):
        token_revoke(old, actor=actor, at=at)
    return token_create(user=user, name=name, scope=scope, actor=actor, at=at)


@transaction.atomic
def token_revoke(
    token: ApiToken, *, actor: Actor = COMMAND_LINE, at: datetime | None = None
) -> bool:
    """It ends with the next request, and stays as a row. False: it was revoked already."""
    at = at or utc_now()
    if not ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=at):
        return False
    token.revoked_at = at
    _record("api_token.revoke", token, actor=actor, at=at)
    return True


@transaction.atomic
def token_refused(token: ApiToken | None, *, sentence: str, address: str, at: datetime) -> None:
    """A use that was refused, in the trail once in ten minutes for each token.

    What is no token at all counts by the address that it came from.
    """
    if token is None:
        if not first_in(f"token-refused:{address}", seconds=int(REFUSED_EVERY.total_seconds())):
            return
        actor, target = Actor(None, "anonymous"), AuditTarget("api_token", "", "not a token")
    else:
        due = at - REFUSED_EVERY
        unsaid = ApiToken.objects.filter(Q(refused_at=None) | Q(refused_at__lte=due), pk=token.pk)
        if not unsaid.update(refused_at=at):
            return
        actor, target = Actor.of(token.user), token_target(token)
    audit_record(
        action="api_token.refused",
        actor=actor,
        at=at,
        outcome=Outcome.DENIED,
        target=target,
        reason=sentence,
    )


def token_facts(token: ApiToken) -> dict[str, Any]:
    """What the trail keeps of a token."""
    return {
        "owner": token.user.get_username(),
        "scope": str(token.scope),
        "network": token.allowed_network or "any",
        "expires": token.expiry.isoformat() if token.expiry else "never",
    }


def token_target(token: ApiToken) -> AuditTarget:
    owner = token.user.get_username()
    return AuditTarget("api_token", str(token.public_id), f"{token.name} of {owner}")


def _record(
    action: str,
    token: ApiToken,
    *,
    actor: Actor,
    at: datetime,
    after: Mapping[str, Any] | None = None,
) -> None:
    transaction.on_commit(recent_tokens_forget)
    audit_record(action=action, actor=actor, at=at, target=token_target(token), after=after)
