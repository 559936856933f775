"""Data as a tree that folds."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

MAX_DEPTH = 40
MAX_TEXT = 2000
MAX_ITEMS = 2000


@register.simple_tag
def json_tree(value: Any, open_depth: int = 2) -> SafeString:
    """Nested lists with a `<details>` for each section; open down to `open_depth`."""
    return format_html('<ul class="json__root">{}</ul>', _items(value, 0, open_depth))


def _items(value: Any, depth: int, open_depth: int) -> SafeString:
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    shown = format_html_join(
        "", "{}", ((_item(str(key), item, depth, open_depth),) for key, item in pairs[:MAX_ITEMS])
    )
    if len(pairs) <= MAX_ITEMS:
        return shown
    return format_html('{}<li class="leaf c">and {} more</li>', shown, len(pairs) - MAX_ITEMS)


def _item(key: str, value: Any, depth: int, open_depth: int) -> SafeString:
    if not isinstance(value, dict | list) or not value or depth >= MAX_DEPTH:
        return format_html('<li class="leaf"><bdi class="k">{}</bdi>: {}</li>', key, _leaf(value))
    count = f"{len(value)} {'key' if isinstance(value, dict) else 'item'}"
    return format_html(
        '<li><details{}><summary><bdi class="k">{}</bdi><span class="c">{}{}{}</span></summary>'
        "<ul>{}</ul></details></li>",
        " open" if depth < open_depth else "",
        key,
        count,
        "" if len(value) == 1 else "s",
        _hint(value),
        _items(value, depth + 1, open_depth),
    )


def _hint(value: Any) -> SafeString | str:
    """What tells one item of a list from the next: its pool or module."""
    if not isinstance(value, dict):
        return ""
    name = value.get("pool_name") or value.get("name") or value.get("mod_name")
    return format_html(" · <bdi>{}</bdi>", name[:80]) if isinstance(name, str) else ""


def _leaf(value: Any) -> SafeString:
    kind = {bool: "bool", int: "num", float: "num", type(None): "null"}.get(type(value), "str")
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}…"
    return format_html('<bdi class="t-{}">{}</bdi>', kind, text)
