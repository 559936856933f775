"""What a session remembers of time: when it was last used, and when a password was last given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from rest_framework.request import Request

from apps.common.time import utc_now

View = Callable[..., HttpResponseBase]
SEEN = "portal_seen_at"
FRESH = "portal_fresh_at"
DRAFTS = "portal_drafts"
"""Forms that were sent, and wait for their sender to give the password or to sign in again."""
SEEN_EVERY = timedelta(minutes=1)
"""The last use is this exact, so that looking does not write with every request."""
READS = ("GET", "HEAD", "OPTIONS")
POLLED = ("/fragments/", "/api/")


def session_begin(request: HttpRequest, *, at: datetime, proven_at: datetime | None = None) -> None:
    """After a sign-in: a new key, so that one planted or seen before is worth nothing.

    `proven_at`: when the person last gave a password elsewhere; ``None``: just now.
    """
    request.session.cycle_key()
    request.session[SEEN] = int(at.timestamp())
    request.session[FRESH] = int(min(at, proven_at or at).timestamp())


def session_is_idle(request: HttpRequest, *, at: datetime) -> bool:
    limit: timedelta = settings.PORTAL_SESSION_IDLE
    seen = _moment(request, SEEN)
    return bool(limit) and seen is not None and at - seen >= limit


def session_touch(request: HttpRequest, *, at: datetime) -> None:
    """Note that somebody is there. A page that refreshes itself is nobody."""
    if request.method in READS and request.path_info.startswith(POLLED):
        return
    seen = _moment(request, SEEN)
    if seen is not None and at - seen >= SEEN_EVERY:
        request.session[SEEN] = int(at.timestamp())


def fresh_mark(request: HttpRequest, *, at: datetime) -> None:
    """The password was given again: more may be done, so the session gets a new key."""
    request.session.cycle_key()
    request.session[FRESH] = int(at.timestamp())


def fresh_is(request: HttpRequest, *, at: datetime) -> bool:
    """A form that was opened in time may be sent a while later: twice the time for that."""
    limit: timedelta = settings.PORTAL_FRESH_SIGN_IN
    given = _moment(request, FRESH)
    allowed = limit if request.method in READS else 2 * limit
    return given is not None and at - given < allowed


def fresh_sign_in(view: View) -> View:
    """For pages on which dangerous things are done: the password, if it was given long ago.

    Below `portal_permission`. Goes to the confirmation, and from there back to this page.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if fresh_is(request, at=utc_now()):
            return view(request, *args, **kwargs)
        return to_confirmation(request)

    guarded.fresh_sign_in = True  # type: ignore[attr-defined]
    return guarded


def fresh_in_api(request: Request) -> bool:
    """The same for an API view, where a browser's session asks; see FreshSignInNeeded.

    A token is fresh: it is the proof that somebody with a fresh sign-in meant this for scripts.
    """
    return request.auth is not None or fresh_is(request._request, at=utc_now())


def to_confirmation(request: HttpRequest, *, back: str = "") -> HttpResponseBase:
    """To the confirmation, and from there to `back`, a path of the portal; else to this page.

    A page's fragment takes the whole page there.
    """
    is_fragment = request.headers.get("HX-Request") == "true"
    back = back or (page_of(request) if is_fragment else request.get_full_path())
    where = f"{resolve_url('confirm')}?{urlencode({'next': back})}"
    if not is_fragment:
        return redirect(where)
    response = HttpResponse(status=401)
    response.headers["HX-Redirect"] = where
    return response


def page_of(request: HttpRequest) -> str:
    """Path of the page that a fragment belongs to; the start page if it is not ours."""
    page = request.headers.get("HX-Current-URL", "")
    known = url_has_allowed_host_and_scheme(page, allowed_hosts={request.get_host()})
    parts = urlsplit(page if known else resolve_url("topology"))
    return parts.path + (f"?{parts.query}" if parts.query else "")


def next_of(request: HttpRequest, default: str = "topology") -> str:
    """Where the request says to go on, else the page of that name; never to another site."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    fine = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if fine else resolve_url(default)


def _moment(request: HttpRequest, key: str) -> datetime | None:
    stored = request.session.get(key)
    return datetime.fromtimestamp(stored, tz=UTC) if isinstance(stored, int) else None
