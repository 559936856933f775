"""People whom another server vouches for: their account here, and its role from their groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.conf import settings
from django.db import transaction

from apps.accounts.errors import AccountInvalid
from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.accounts.selectors import role_of
from apps.accounts.services.accounts import account_create, account_names_set, account_role_set
from apps.audit.services import Actor


class SignInRefused(Exception):
    """The other server says who it is, but the portal does not let them in. The text says why."""


def role_for(groups: Iterable[str]) -> Role | None:
    """The highest role that a group gives; else the role of everybody; ``None``: no access.

    Names and whole DNs both count, in any case of letters.
    """
    names = {group.lower() for group in groups}
    given = {Role(role) for group, role in settings.PORTAL_SSO_ROLES.items() if group in names}
    for role in reversed(Role):
        if role in given:
            return role
    return Role.VIEWER if settings.PORTAL_SSO_DEFAULT_ROLE == "viewer" else None


def roles_are_mapped() -> bool:
    """Whether groups give the roles of such people; else administrators of the portal do."""
    return bool(settings.PORTAL_SSO_ROLES)


@transaction.atomic
def sso_account(
    *,
    source: User.Source,
    username: str,
    names: Mapping[str, str],
    groups: Iterable[str],
    at: datetime,
) -> User:
    """The account of this person, made or brought up to date. Raises SignInRefused.

    Never an account of another source that only has the same name: whoever names people
    there could else become anybody here.
    """
    user = User.objects.select_for_update().filter(username__iexact=username).first()
    role = role_for(groups)
    by = Actor.portal()
    if user is None:
        if role is None:
            raise SignInRefused(NO_GROUP)
        try:
            return account_create(
                username=username, role=role, actor=by, at=at, names=names, source=source
            )
        except AccountInvalid as error:
            raise SignInRefused(f"This user name can't be used here. {error.message}") from error
    if user.source != source:
        raise SignInRefused(
            "Another account of the portal has this user name. Ask an administrator of the portal."
        )
    if not user.is_active:
        raise SignInRefused("This account is deactivated. Ask an administrator of the portal.")
    account_names_set(user, names=names, actor=by, at=at)
    if roles_are_mapped() and role_of(user) != role:
        account_role_set(user, role=role, actor=by, at=at, is_mapped=True)
    return user


def role_missing(user: User) -> bool:
    """Asked after `sso_account`, whose change of the role must stay even so."""
    return role_of(user) is None


NO_GROUP = (
    "You are known, but in no group that may use this portal. Ask its administrators for one."
)
