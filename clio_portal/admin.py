"""Django's admin site, behind the portal's own sign-in and permissions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path

from apps.accounts.decorators import portal_permission, portal_public
from apps.accounts.roles import permission_full_name

AnyView = TypeVar("AnyView", bound=Callable[..., Any])
ENTRY = "manage_settings"
"""Opens the site. What each of its pages shows or changes asks for more, in its ModelAdmin."""


class PortalAdminSite(AdminSite):
    site_header = "CLIO Portal"
    site_title = "CLIO Portal"
    index_title = "Administration"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        """A role opens it; Django's staff flag has no meaning here."""
        return request.user.has_perm(permission_full_name(ENTRY))

    def admin_view(self, view: AnyView, cacheable: bool = False) -> AnyView:
        return cast(AnyView, portal_permission(ENTRY)(super().admin_view(view, cacheable)))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """One way of signing in: with lock-out, and the portal's page."""
        urls = [url for url in super().get_urls() if getattr(url, "name", None) != "login"]
        return [path("login/", portal_public(_to_sign_in), name="login"), *urls]


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    return redirect("login")
