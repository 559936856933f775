"""Passwords as Django checks them; permissions in one query a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission

from apps.accounts.models import User
from apps.accounts.statements import Row, permission_rows, user_by_pk

CACHE_ATTRIBUTE = "_portal_permissions"


class PortalBackend(ModelBackend):
    """Django's backend asks twice for a user's permissions: own ones, and the groups'."""

    def user_can_authenticate(self, user: Any) -> bool:
        """A service account has tokens only."""
        return super().user_can_authenticate(user) and not user.is_service

    def get_user(self, user_id: Any) -> User | None:
        """Whose session this is; ``None`` when the account was made inactive since."""
        user = user_by_pk(user_id)
        return user if user is not None and self.user_can_authenticate(user) else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        cached: set[str] | None = getattr(user_obj, CACHE_ATTRIBUTE, None)
        if cached is None:
            cached = permissions_of(user_obj)
            # On the object that this request loaded: the next request asks again.
            setattr(user_obj, CACHE_ATTRIBUTE, cached)
        return cached


def permissions_of(user: User) -> set[str]:
    """Full names such as ``accounts.view_live``. One query."""
    rows: Iterable[Row] = (
        Permission.objects.values_list("content_type__app_label", "codename")
        if user.is_superuser
        else permission_rows(user.pk)
    )
    return {f"{app_label}.{codename}" for app_label, codename in rows}
