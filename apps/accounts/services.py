"""Writes to people and their tokens."""

from __future__ import annotations

import ipaddress
import secrets
from datetime import datetime

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.errors import AccountInvalid, PasswordTooWeak
from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role

GENERATED_PASSWORD_BYTES = 15  # 20 characters


def password_generate() -> str:
    return secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)


@transaction.atomic
def account_save(
    *, username: str, role: Role, at: datetime, password: str | None = None, service: bool = False
) -> tuple[User, bool]:
    """Make the account, or give the existing one this role (and password, when given).

    Returns the user, and whether it is new. Raises AccountInvalid, PasswordTooWeak.
    """
    user = User.objects.select_for_update().filter(username=username).first()
    created = user is None
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
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        raise AccountInvalid(" ".join(error.messages)) from error
    user.save()
    account_set_role(user, role=role)
    return user, created


def account_set_role(user: User, *, role: Role) -> None:
    """One role each: the others are taken away."""
    user.groups.set([Group.objects.get(name=role.value)])


def _password_check(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordTooWeak(error.messages) from error


def token_create(
    *,
    user: User,
    name: str,
    scope: ApiToken.Scope = ApiToken.Scope.READ,
    allowed_network: str = "",
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """The row, and the secret: the only time that it exists in clear. Raises AccountInvalid."""
    if allowed_network:
        try:
            allowed_network = str(ipaddress.ip_network(allowed_network, strict=False))
        except ValueError as error:
            raise AccountInvalid(
                f"{allowed_network!r} is no network such as 10.0.0.0/8."
            ) from error
    token, secret = ApiToken.objects.create(
        user=user, expiry=None, name=name, scope=scope, allowed_network=allowed_network
    )
    if expires_at is not None:
        token.expiry = expires_at
        token.save(update_fields=["expiry"])
    return token, secret


@transaction.atomic
def token_replace(
    *, user: User, name: str, scope: ApiToken.Scope = ApiToken.Scope.READ
) -> tuple[ApiToken, str]:
    """A fresh token in place of those of the same name, which end."""
    ApiToken.objects.filter(user=user, name=name).delete()
    return token_create(user=user, name=name, scope=scope)


def token_revoke(token: ApiToken) -> None:
    token.delete()


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
    user, _ = account_save(username=username, role=Role.ADMINISTRATOR, password=password, at=at)
    return user, password
