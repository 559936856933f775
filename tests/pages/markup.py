"""Reads a page as a browser would, to say what is in it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID_URLS = ("javascript:", "data:")


class Markup(HTMLParser):
    """Collects elements, texts, and what a strict Content-Security-Policy forbids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.forbidden: list[str] = []
        self._inside: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        self._inside = tag
        for name, value in attrs:
            if name.startswith(("on", "hx-on")) or name in ("style", "hx-vars", "srcdoc"):
                self.forbidden.append(f"{tag} {name}")
            if name in ("href", "src", "action") and (value or "").startswith(VOID_URLS):
                self.forbidden.append(f"{tag} {name}={value}")
            if name in ("hx-vals", "hx-trigger") and (
                "js:" in (value or "") or "[" in (value or "")
            ):
                self.forbidden.append(f"{tag} {name}={value}")
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.forbidden.append(f"inline {tag}")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name: str) -> list[str]:
        return [given[name] or "" for _, given in self.elements if name in given]

    def with_class(self, name: str) -> list[dict[str, str | None]]:
        return [given for _, given in self.elements if name in (given.get("class") or "").split()]
