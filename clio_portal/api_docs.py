"""The API's schema and its documentation."""

from __future__ import annotations

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView

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


# Swagger UI draws with style attributes of its own; scripts stay the portal's files only.
@portal_permission("view_live")
@csp_update({"style-src": ["'unsafe-inline'"]})
def api_docs(request: HttpRequest) -> HttpResponse:
    """The schema for people, from vendored files."""
    return render(request, "api/docs.html")
