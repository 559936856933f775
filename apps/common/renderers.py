"""The API's answers as pages of the portal, for browsers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.template import loader
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.time import utc_now

SHOWN_CHARACTERS = 200_000
"""Of a longer answer the page shows the beginning, and links to the whole."""
SENDING = ("POST", "PUT", "PATCH", "DELETE")
TOKENS = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)'
    r'|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<num>-?\d[\d.eE+-]*)"
    r"|(?P<word>true|false|null)"
)
LINK = re.compile(r'"(/api/[!-~]*)"')


@dataclass(frozen=True, slots=True)
class Sending:
    """A method that this address takes, beside reading."""

    method: str
    takes_body: bool


class PortalBrowsableRenderer(BrowsableAPIRenderer):
    """One answer: what was asked, status, headers, and the JSON with its links.

    Nothing inline, as the content security policy asks: what the page sends, it sends from
    ``static/js/api-browse.js``.
    """

    template = "api/browse.html"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str:
        context = dict(renderer_context or {})
        request: Request = context["request"]
        response: Response = context["response"]
        view = context["view"]
        page = {
            "at": utc_now(),
            "section": "api-docs",
            "name": view.get_view_name(),
            "description": view.get_view_description(),
            "method": request.method,
            "path": request.get_full_path(),
            "raw": _raw(request),
            "trail": list(_trail(request.path)),
            "status": response.status_code,
            "status_text": response.status_text,
            "good": response.status_code < 400,
            "headers": sorted(response.items()),
            **_shown(data),
            "sendings": [
                Sending(method, takes_body=method != "DELETE")
                for method in SENDING
                if method in view.allowed_methods
            ],
            "reads": "GET" in view.allowed_methods,
        }
        plain: HttpRequest = request._request
        return loader.get_template(self.template).render(page, request=plain)


def _raw(request: Request) -> str:
    """The same address, as JSON."""
    asked = request.query_params.copy()
    asked["format"] = "json"
    return f"{request.path}?{asked.urlencode()}"


def _trail(path: str) -> Iterator[tuple[str, str]]:
    """Parts of the path; an address only where the portal has something to show."""
    parts = [part for part in path.split("/") if part]
    for part in parts[:-1]:
        yield part, "/api/" if part == "api" else ""
    if parts:
        yield parts[-1], ""


def _shown(data: Any) -> dict[str, Any]:
    if data is None:
        return {"content": "", "left_out": 0}
    text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
    return {
        "content": json_marked(text[:SHOWN_CHARACTERS]),
        "left_out": max(0, len(text) - SHOWN_CHARACTERS),
    }


def json_marked(text: str) -> SafeString:
    """JSON text as markup: every piece is escaped, kinds have a class, our addresses are links."""
    pieces: list[str] = []
    end = 0
    for found in TOKENS.finditer(text):
        pieces.append(format_html("{}", text[end : found.start()]))
        pieces.append(_piece(found.lastgroup or "", found[0]))
        end = found.end()
    pieces.append(format_html("{}", text[end:]))
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def _piece(kind: str, text: str) -> SafeString:
    link = LINK.fullmatch(text) if kind == "text" else None
    if link is not None:
        return format_html('<a class="t-str" href="{}">{}</a>', link[1], text)
    css = {"key": "k", "text": "t-str", "num": "t-num"}.get(kind, "t-null")
    return format_html('<span class="{}">{}</span>', css, text)
