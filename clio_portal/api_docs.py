"""The API's schema and its documentation."""

from __future__ import annotations

from csp.constants import SELF
from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


class ApiSchemaView(SpectacularAPIView):
    """OpenAPI 3.1."""

    required_permission = "view_live"


# Swagger UI draws with style attributes of its own; scripts stay the portal's files only.
@method_decorator(csp_update({"style-src": [SELF, "'unsafe-inline'"]}), name="dispatch")
class ApiDocsView(SpectacularSwaggerSplitView):
    """The schema for people, from vendored files."""

    required_permission = "view_live"
    url_name = "api-schema"
