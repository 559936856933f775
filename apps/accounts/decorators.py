"""How a page names its permission. A page that names none does not pass the tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from apps.accounts.roles import permission_full_name

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
    take the whole page there. Without the permission: 403.
    """
    needed = None if codename == SIGNED_IN else permission_full_name(codename)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
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
    page = request.headers.get("HX-Current-URL", "")
    known = url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()})
    parts = urlsplit(page if known else "/")
    back = parts.path + (f"?{parts.query}" if parts.query else "")
    response = HttpResponse(status=401)
    response.headers["HX-Redirect"] = f"{resolve_url('login')}?{urlencode({'next': back})}"
    return response
