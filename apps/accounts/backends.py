"""Passwords as Django checks them; permissions in one query a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission

from apps.accounts.models import User
from apps.accounts.roles import ANONYMOUS_PERMISSIONS, permission_full_name
from apps.accounts.statements import Row, permission_rows, user_by_pk

CACHE_ATTRIBUTE = "_portal_permissions"


class PortalBackend(ModelBackend):
    """Django's backend asks twice for a user's permissions: own ones, and the groups'."""

    def user_can_authenticate(self, user: Any) -> bool:
        """A service account has tokens only."""
        return super().user_can_authenticate(user) and not user.is_service

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return perm in self.get_all_permissions(user_obj, obj)

    def get_user(self, user_id: Any) -> User | None:
        """Whose session this is; ``None`` when the account was made inactive since."""
        user = user_by_pk(user_id)
        return user if user is not None and self.user_can_authenticate(user) else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if obj is not None:
            return set()
        if user_obj.is_anonymous:
            return anonymous_permissions()
        if not user_obj.is_active:
            return set()
        cached: set[str] | None = getattr(user_obj, CACHE_ATTRIBUTE, None)
        if cached is None:
            # Nobody may do less than somebody who has not signed in.
            cached = permissions_of(user_obj) | anonymous_permissions()
            # On the object that this request loaded: the next request asks again.
            setattr(user_obj, CACHE_ATTRIBUTE, cached)
        return cached


def lockout_name(request: Any, credentials: Any) -> str | None:
    """The name by which wrong passwords are counted: a directory does not mind its case."""
    name = (credentials or {}).get("username")
    if name is None and request is not None:
        name = request.POST.get("username")
    return None if name is None else str(name).lower()


def anonymous_permissions() -> set[str]:
    """What everybody may do without signing in: nothing, unless the site has said so."""
    if not settings.PORTAL_ANONYMOUS_READ:
        return set()
    return {permission_full_name(codename) for codename in ANONYMOUS_PERMISSIONS}


def permissions_of(user: User) -> set[str]:
    """Full names such as ``accounts.view_live``. One query."""
    rows: Iterable[Row] = (
        Permission.objects.values_list("content_type__app_label", "codename")
        if user.is_superuser
        else permission_rows(user.pk)
    )
    return {f"{app_label}.{codename}" for app_label, codename in rows}
