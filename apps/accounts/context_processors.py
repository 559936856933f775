"""What every page knows of the person who looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from apps.accounts.roles import PERMISSIONS, permission_full_name

MENU = (
    ("topology", "Topology", "view_live"),
    ("trends", "Trends", "view_live"),
    ("pools", "Pools", "view_live"),
    ("config", "Config", "view_config"),
    ("jobs", "Jobs", "view_jobs"),
    ("audit", "Audit", "view_audit"),
    ("people", "People", "manage_people"),
    ("api-docs", "API", "view_live"),
)


@dataclass(frozen=True, slots=True)
class MenuEntry:
    name: str
    label: str
    url: str
    current: bool


def menu(request: HttpRequest) -> dict[str, Any]:
    """``can``: codename → bool, for templates; ``menu``: the entries this person may open."""
    user = getattr(request, "user", None)
    if user is None or not (user.is_authenticated or settings.PORTAL_ANONYMOUS_READ):
        return {"can": {}, "menu": []}
    can = {name: user.has_perm(permission_full_name(name)) for name in sorted(PERMISSIONS)}
    match = request.resolver_match
    current = match.url_name if match else ""
    entries = []
    for name, label, needed in MENU:
        if not can[needed]:
            continue
        try:
            url = reverse(name)
        except NoReverseMatch:
            continue
        entries.append(MenuEntry(name=name, label=label, url=url, current=name == current))
    return {"can": can, "menu": entries}
