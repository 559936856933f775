"""How a page names its permission. A page that names none does not pass the tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.http import urlencode

from apps.accounts.roles import permission_full_name
from apps.accounts.sessions import READS, page_of

View = Callable[..., HttpResponseBase]
AnyView = TypeVar("AnyView", bound=Callable[..., Any])
SIGNED_IN = "signed_in"
"""Instead of a permission: everybody who is signed in (one's own account)."""


def portal_public(view: AnyView) -> AnyView:
    """Anybody may see it, without signing in."""
    view.portal_public = True  # type: ignore[attr-defined]
    return view


def portal_permission(codename: str) -> Callable[[View], View]:
    """The view needs this permission (see roles.py), or just ``SIGNED_IN``.

    Signed out: to the sign-in page and back; a page's fragment gets 401 and tells htmx to
    take the whole page there. Without the permission: 403. Where anonymous reading is
    switched on, the permissions that it gives open pages (not more) without signing in.
    """
    needed = None if codename == SIGNED_IN else permission_full_name(codename)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                reads = request.method in READS and needed is not None
                if reads and request.user.has_perm(str(needed)):
                    return view(request, *args, **kwargs)
                return _sign_in(request)
            if needed is not None and not request.user.has_perm(needed):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded.portal_permission = codename  # type: ignore[attr-defined]
        return guarded

    return decorate


def _sign_in(request: HttpRequest) -> HttpResponseBase:
    if request.headers.get("HX-Request") != "true":
        return redirect_to_login(request.get_full_path())
    response = HttpResponse(status=401)
    where = f"{resolve_url('login')}?{urlencode({'next': page_of(request)})}"
    response.headers["HX-Redirect"] = where
    return response
