"""What somebody had typed into a form that sent them off to give their password."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest

from apps.accounts.sessions import DRAFTS

MOST = 3
"""Forms that one session holds; each more throws the oldest out."""


def draft_keep(request: HttpRequest, typed: dict[str, Any]) -> str:
    """Keep `typed` in the session. Returns the path that opens the form with it again.

    `typed["key"]` names it: the one key of the form, so that sending it twice stays one order.
    """
    drafts = dict(request.session.get(DRAFTS, {}))
    drafts.pop(typed["key"], None)
    drafts[typed["key"]] = {**typed, "path": request.path}
    request.session[DRAFTS] = dict(list(drafts.items())[-MOST:])
    return f"{request.path}?{urlencode({'draft': typed['key']})}"


def draft_of(request: HttpRequest) -> dict[str, Any]:
    """What was kept for this very form; empty: nothing."""
    drafts = request.session.get(DRAFTS, {})
    typed: dict[str, Any] = drafts.get(request.GET.get("draft", ""), {})
    return {**typed, "is_draft": True} if typed.get("path") == request.path else {}


def draft_drop(request: HttpRequest) -> None:
    """The form with the key that is being sent has done its duty."""
    drafts = dict(request.session.get(DRAFTS, {}))
    if drafts.pop(request.POST.get("key", ""), None) is not None:
        request.session[DRAFTS] = drafts
