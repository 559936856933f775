"""Django's admin site, behind the portal's own sign-in and permissions."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite, ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.decorators import SIGNED_IN, portal_permission, portal_public
from apps.accounts.roles import permission_full_name
from apps.accounts.sessions import READS, fresh_sign_in
from apps.accounts.views import SignOutView
from apps.audit.admin_edits import RecordsEdits
from apps.history.selectors import retention_plan

AnyView = TypeVar("AnyView", bound=Callable[..., Any])
ENTRY = "manage_settings"
"""Opens the site. What each of its pages shows or changes asks for more, in its ModelAdmin."""
OWN = ("login", "logout", "password_change", "password_change_done")
FORMS = ("/add/", "/change/", "/delete/")
TAKES = require_http_methods(["GET", "HEAD", "POST"])
"""The library would take any other method for one of these."""


class PortalAdminSite(AdminSite):
    site_header = "CLIO Portal"
    site_title = "CLIO Portal"
    index_title = "Administration"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        """A role opens it; Django's staff flag has no meaning here."""
        return request.user.has_perm(permission_full_name(ENTRY))

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Whatever is registered, its edits are in the audit trail."""
        wanted = admin_class or ModelAdmin
        own = {
            "__module__": wanted.__module__,
            "records_itself": getattr(wanted, "records_itself", False),
        }
        recording = type(wanted.__name__, (RecordsEdits, wanted), own)
        super().register(model_or_iterable, recording, **options)

    def admin_view(self, view: AnyView, cacheable: bool = False) -> AnyView:
        guarded = TAKES(fresh_for_forms(super().admin_view(view, cacheable)))
        return cast(AnyView, portal_permission(ENTRY)(guarded))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """One way of signing in, out, and of changing a password: the portal's own."""
        urls = [url for url in super().get_urls() if getattr(url, "name", None) not in OWN]
        return [
            path("login/", portal_public(_to_sign_in), name="login"),
            path("logout/", portal_public(SignOutView.as_view()), name="logout"),
            path("password_change/", _to_password, name="password_change"),
            path("retention/", self.admin_view(self.retention_view), name="retention"),
            *urls,
        ]

    def get_app_list(self, request: Any, app_label: str | None = None) -> list[Any]:
        """The models' apps, and the retention, which is no model."""
        apps = list(super().get_app_list(request, app_label))
        if app_label is None and self.has_permission(request):
            url = reverse("admin:retention")
            entry = {
                "name": "Retention",
                "object_name": "Retention",
                "admin_url": url,
                "view_only": True,
                "add_url": None,
                "perms": {},
            }
            apps.append(
                {
                    "name": "History",
                    "app_label": "history",
                    "app_url": url,
                    "has_module_perms": True,
                    "models": [entry],
                }
            )
        return apps

    def retention_view(self, request: HttpRequest) -> HttpResponse:
        """What is kept for how long. The limits are settings of the environment."""
        at = timezone.now()
        plan = retention_plan(at=at)
        given = request.GET.get("resolution", "")
        rows = [one for one in plan.resolutions if given in ("", one.resolution)]
        context = self.each_context(request) | {
            "title": "Retention",
            "at": at,
            "plan": plan,
            "rows": rows,
            "given": given,
            "names": [one.resolution for one in plan.resolutions],
        }
        return TemplateResponse(request, "admin/retention.html", context)


def fresh_for_forms(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Lists are read; what changes something asks for the password, if it was long ago."""
    fresh = fresh_sign_in(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        writes = request.method not in READS or request.path_info.endswith(FORMS)
        return (fresh if writes else view)(request, *args, **kwargs)

    return guarded


@portal_permission(SIGNED_IN)
@require_safe
def _to_password(request: HttpRequest) -> HttpResponse:
    return redirect("password")


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    return redirect("login")
