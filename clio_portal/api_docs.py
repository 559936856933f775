"""The API's schema and its documentation."""

from __future__ import annotations

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView

from apps.accounts import schema  # noqa: F401 - registers how it describes tokens
from apps.accounts.decorators import portal_permission


class ApiSchemaView(SpectacularAPIView):
    """OpenAPI 3.1: JSON, or YAML with ``?format=yaml``."""

    required_permission = "view_live"
    # Plain JSON comes first, because errors are written by the first.
    renderer_classes = [
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
    ]


# Both draw with style attributes of their own; scripts stay the portal's files only.
@portal_permission("view_live")
@csp_update({"style-src": ["'unsafe-inline'"]})
@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """The schema for people, to try out, from vendored files."""
    return render(request, "api/docs.html")


@portal_permission("view_live")
@csp_update({"style-src": ["'unsafe-inline'"]})
@require_safe
def api_redoc(request: HttpRequest) -> HttpResponse:
    """The schema for people, to read, from vendored files."""
    return render(request, "api/redoc.html")
