"""Writes to people and service accounts, each on the record."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from axes.utils import reset
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from apps.accounts.errors import (
    AccountInvalid,
    LastAdministrator,
    NotYourself,
    PasswordTooWeak,
)
from apps.accounts.models import User
from apps.accounts.recent_tokens import recent_tokens_forget
from apps.accounts.roles import Role
from apps.accounts.selectors import administrators_who_can_sign_in, role_of
from apps.audit.services import Actor, AuditTarget, audit_record

GENERATED_PASSWORD_BYTES = 15  # 20 characters
COMMAND_LINE = Actor(None, "command line")
NAME_FIELDS = ("first_name", "last_name", "email")
PREFERENCES = ("time_zone", "theme")


def password_generate() -> str:
    return secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)


@transaction.atomic
def account_save(
    *,
    username: str,
    role: Role,
    at: datetime,
    password: str | None = None,
    service: bool = False,
    actor: Actor = COMMAND_LINE,
) -> tuple[User, bool]:
    """Make the account, or give the existing one this role (and password, when given).

    Returns the user, and whether it is new. Raises AccountInvalid, PasswordTooWeak.
    """
    user = User.objects.select_for_update().filter(username=username).first()
    created = user is None
    before = None if user is None else account_facts(user)
    if user is None:
        user = User(username=User.normalize_username(username), date_joined=at)
    user.is_service = service
    user.is_active = True
    if service:
        user.set_unusable_password()
    elif password is not None:
        _password_check(password, user)
        user.set_password(password)
    elif created:
        raise AccountInvalid(f"A new account needs a password: {username}.")
    _save(user)
    _role_write(user, role)
    after = account_facts(user) | ({"password": "set"} if password is not None else {})
    action = "account.create" if created else "account.change"
    _record(action, user, actor=actor, at=at, before=before, after=after)
    return user, created


@transaction.atomic
def account_create(
    *,
    username: str,
    role: Role | None,
    actor: Actor,
    at: datetime,
    names: Mapping[str, str] | None = None,
    service: bool = False,
    source: User.Source = User.Source.PORTAL,
) -> User:
    """An account without a password: a link sets it, or none is needed. Raises AccountInvalid."""
    user = User(
        username=User.normalize_username(username),
        date_joined=at,
        is_service=service,
        source=source,
        **{name: value for name, value in (names or {}).items() if name in NAME_FIELDS},
    )
    user.set_unusable_password()
    _save(user)
    if role is not None:
        _role_write(user, role)
    _record("account.create", user, actor=actor, at=at, after=account_facts(user))
    return user


@transaction.atomic
def account_names_set(user: User, *, names: Mapping[str, str], actor: Actor, at: datetime) -> User:
    """First and last name, email. Raises AccountInvalid."""
    kept = _locked(user)
    before = {name: getattr(kept, name) for name in names if name in NAME_FIELDS}
    after = {name: names[name] for name in before}
    if before == after:
        return kept
    for name, value in after.items():
        setattr(kept, name, value)
    _save(kept)
    _record("account.change", kept, actor=actor, at=at, before=before, after=after)
    return kept


def account_preferences_set(user: User, *, values: Mapping[str, str]) -> None:
    """How pages look to this person: nothing that anybody else would want to know of."""
    wanted = {name: value for name, value in values.items() if name in PREFERENCES}
    User.objects.filter(pk=user.pk).update(**wanted)


@transaction.atomic
def account_role_set(
    user: User, *, role: Role | None, actor: Actor, at: datetime, is_mapped: bool = False
) -> bool:
    """One role each, or none: the others are taken away, groups that are no roles stay.

    `is_mapped`: a directory says so, which is not to be argued with. False: it was that
    already. Raises NotYourself, LastAdministrator.
    """
    kept = _locked(user)
    old = role_of(kept)
    if old == role:
        return False
    if actor.id == kept.pk:
        raise NotYourself
    if old is Role.ADMINISTRATOR and not is_mapped:
        _keep_an_administrator(kept)
    _role_write(kept, role)
    before, after = {"role": _word(old)}, {"role": _word(role)}
    _record("account.role", kept, actor=actor, at=at, before=before, after=after)
    return True


@transaction.atomic
def account_access_set(
    user: User, *, active: bool, actor: Actor, at: datetime, reason: str = ""
) -> bool:
    """Let in, or keep out with the next request, tokens included. False: it was so already.

    Raises NotYourself, LastAdministrator.
    """
    kept = _locked(user)
    if kept.is_active is active:
        return False
    if not active:
        if actor.id == kept.pk:
            raise NotYourself
        _keep_an_administrator(kept)
    kept.is_active = active
    kept.session_epoch += 1
    kept.save(update_fields=["is_active", "session_epoch"])
    action = "account.activate" if active else "account.deactivate"
    _record(action, kept, actor=actor, at=at, reason=reason)
    return True


@transaction.atomic
def account_sign_out(user: User, *, actor: Actor, at: datetime) -> None:
    """End every session of this person, everywhere. Tokens stay."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=["session_epoch"])
    _record("account.sign_out_everywhere", user, actor=actor, at=at)


def account_unlock(user: User, *, actor: Actor, at: datetime) -> int:
    """Forget the wrong passwords for this name, from all addresses. → how many records."""
    with transaction.atomic():
        forgotten = int(reset(username=user.get_username().lower()))
        after = {"forgotten": forgotten}
        _record("account.unlock", user, actor=actor, at=at, after=after)
    return forgotten


@transaction.atomic
def account_password_link(user: User, *, actor: Actor, at: datetime) -> tuple[str, str]:
    """(key of the account, proof) for a link that sets a password: once, for a few days.

    Whoever makes it never knows the password. Raises AccountInvalid.
    """
    if user.is_service or not user.is_local or not user.is_active:
        raise AccountInvalid("This account has no password in the portal.")
    _record("account.password_link", user, actor=actor, at=at)
    return urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)


@transaction.atomic
def account_password_set(user: User, *, password: str, actor: Actor, at: datetime) -> User:
    """Every session of the person ends with it. Raises PasswordTooWeak, AccountInvalid."""
    kept = _locked(user)
    if kept.is_service or not kept.is_local:
        raise AccountInvalid("This account has no password in the portal.")
    _password_check(password, kept)
    kept.set_password(password)
    kept.save(update_fields=["password"])
    _record("account.password", kept, actor=actor, at=at)
    return kept


@transaction.atomic
def first_administrator_ensure(*, at: datetime) -> tuple[User, str] | None:
    """Make `admin` with a generated password when nobody can administer; ``None`` otherwise."""
    if User.objects.filter(groups__name=Role.ADMINISTRATOR.value, is_active=True).exists():
        return None
    password = password_generate()
    # A name in use is somebody else's: that account is not to be given a new password.
    names = ("admin", *(f"admin{number}" for number in range(2, 100)))
    taken = set(User.objects.filter(username__in=names).values_list("username", flat=True))
    username = next(name for name in names if name not in taken)
    user, _ = account_save(
        username=username,
        role=Role.ADMINISTRATOR,
        password=password,
        at=at,
        actor=Actor.portal(),
    )
    return user, password


def account_facts(user: User) -> dict[str, Any]:
    """What the trail keeps of an account."""
    return {
        "role": _word(role_of(user)),
        "active": user.is_active,
        "service": user.is_service,
        "source": str(user.source),
    } | {name: getattr(user, name) for name in NAME_FIELDS if getattr(user, name)}


def account_target(user: User) -> AuditTarget:
    return AuditTarget("account", str(user.pk), user.get_username())


def _word(role: Role | None) -> str:
    return role.value if role else "none"


def _locked(user: User) -> User:
    return User.objects.select_for_update().get(pk=user.pk)


def _save(user: User) -> None:
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        raise AccountInvalid(" ".join(error.messages)) from error
    user.save()


def _role_write(user: User, role: Role | None) -> None:
    user.groups.remove(*Group.objects.filter(name__in=list(Role)))
    if role is not None:
        user.groups.add(Group.objects.get(name=role.value))


def _keep_an_administrator(user: User) -> None:
    """Raises LastAdministrator when, without this one, nobody could administer."""
    others = administrators_who_can_sign_in().select_for_update().exclude(pk=user.pk)
    if role_of(user) is Role.ADMINISTRATOR and not list(others[:1]):
        raise LastAdministrator


def _password_check(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordTooWeak(error.messages) from error


def _record(
    action: str,
    user: User,
    *,
    actor: Actor,
    at: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> None:
    transaction.on_commit(recent_tokens_forget)
    audit_record(
        action=action,
        actor=actor,
        at=at,
        target=account_target(user),
        before=before,
        after=after,
        reason=reason,
    )
