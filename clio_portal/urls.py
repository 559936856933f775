"""Every address of the portal. Each view names its permission or is marked public."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path

from apps.accounts.decorators import portal_public
from apps.common import error_views
from clio_portal import health
from clio_portal.api_docs import ApiSchemaView, api_docs, api_redoc

admin.autodiscover()

urlpatterns = [
    # First, because scripts ask for the topology more often than for anything else.
    path("api/", include("apps.nodes.api.urls")),
    path("api/", include("apps.pools.api.urls")),
    path("api/", include("apps.cluster.api.urls")),
    path("api/", include("apps.control.api.urls")),
    path("", include("apps.nodes.urls")),
    path("", include("apps.pools.urls")),
    path("", include("apps.cluster.urls")),
    path("", include("apps.control.urls")),
    path("", include("apps.accounts.audit_urls")),
    path("", include("apps.accounts.urls")),
    path("api/schema", ApiSchemaView.as_view(), name="api-schema"),
    path("api/docs", api_docs, name="api-docs"),
    path("api/redoc", api_redoc, name="api-redoc"),
    # Not left to handler404: with DEBUG that would be a page, and the API answers JSON always.
    re_path(r"^api(?:/.*)?$", portal_public(error_views.not_found), name="api-not-found"),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

if settings.PORTAL_OIDC_ID:
    urlpatterns.append(path("accounts/oidc/", include("apps.accounts.oidc_urls")))

handler400 = error_views.bad_request
handler403 = error_views.permission_denied
handler404 = error_views.not_found
handler500 = error_views.server_error
