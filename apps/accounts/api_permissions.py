"""How an API view names its permission. One that names none is refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from apps.accounts.decorators import SIGNED_IN
from apps.accounts.roles import permission_full_name

if TYPE_CHECKING:  # the framework imports this module while its views are being made
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)


class RequiresPermission(BasePermission):
    """Reads ``required_permissions`` (action → codename) or ``required_permission``.

    OPTIONS, and methods that the route does not have (they end as 405), need any one of
    the view's permissions.
    """

    message = "Your role does not allow this. An administrator of the portal can give you one."

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if user is None or not may_ask(request):
            return False
        names = list(permissions_needed(view))
        if not names:
            log.error("view names no permission", view=type(view).__qualname__)
            return False
        if SIGNED_IN in names and user.is_authenticated:
            return True
        named = [permission_full_name(name) for name in names if name != SIGNED_IN]
        return any(user.has_perm(name) for name in named)


def may_ask(request: Request) -> bool:
    """Somebody who is let in; nobody in particular may read, where that is switched on."""
    if request.user.is_authenticated:
        return bool(request.user.is_active)
    return bool(settings.PORTAL_ANONYMOUS_READ) and request.method in SAFE_METHODS


def permissions_needed(view: Any) -> Iterable[str]:
    """The codenames of which one is needed for the view's current action."""
    by_action: dict[str, str] = getattr(view, "required_permissions", {})
    default: str | None = getattr(view, "required_permission", None)
    action = getattr(view, "action", None)
    if action in by_action:
        return [by_action[action]]
    if default is not None:
        return [default]
    return by_action.values() if action in (None, "metadata") else []
