"""How the API's paths are declared: with and without a trailing slash, one documented."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path
from rest_framework.viewsets import ViewSetMixin


def get_routes(route: str, viewset: type[ViewSetMixin], action: str, name: str) -> list[URLPattern]:
    """The GET route `route`, and the same with a slash behind, which the schema leaves out.

    Scripts written for the documented dashboard use either form; a redirect would cost
    them a request, or the answer where they do not follow it.
    """
    actions: dict[str, Any] = {"get": action}
    return [
        path(route, viewset.as_view(actions), name=name),
        path(f"{route}/", viewset.as_view(actions, schema=None)),
    ]
