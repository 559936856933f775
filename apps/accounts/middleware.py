"""For every request of somebody who is signed in: the idle time-out, and their time zone."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services.sign_in import signed_out
from apps.accounts.sessions import session_is_idle, session_touch
from apps.accounts.zones import zone_of
from apps.common.time import utc_now


class PersonMiddleware:
    """After authentication and messages. Costs nothing for scripts, which send no cookie."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        user = request.user
        if not isinstance(user, User) and not user.is_authenticated:
            return self.get_response(request)
        at = utc_now()
        if session_is_idle(request, at=at):
            signed_out(user, at=at, reason="Nothing was done for too long.")
            logout(request)
            messages.info(request, "You were signed out, because nothing was done for a while.")
            return self.get_response(request)
        session_touch(request, at=at)
        with timezone.override(zone_of(user.time_zone)):
            return self.get_response(request)
