"""JSON for every script, whatever it says it accepts; the browsable pages for browsers."""

from __future__ import annotations

from collections.abc import Iterable

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class JsonUnlessHtml(BaseContentNegotiation):
    """The first renderer (JSON), unless the client asks for HTML. Never 406."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        return next(iter(parsers), None)

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        asked = request.query_params.get("format", "") if request.META.get("QUERY_STRING") else ""
        html = asked == "api" or (not asked and "text/html" in request.META.get("HTTP_ACCEPT", ""))
        json, *browsable = renderers
        renderer = browsable[-1] if html and browsable else json
        return renderer, renderer.media_type or ""
