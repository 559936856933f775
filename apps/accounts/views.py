"""Signing in and out."""

from __future__ import annotations

from typing import Any

from axes.helpers import get_cool_off
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.accounts.forms import SignInForm
from apps.common.error_views import error_response


class SignInView(LoginView):
    template_name = "accounts/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


class SignOutView(LogoutView):
    """POST only, so that no foreign page can sign somebody out by an image."""

    http_method_names = ["post", "options"]


def locked_out(
    request: HttpRequest,
    original_response: HttpResponseBase | None = None,
    credentials: dict[str, Any] | None = None,
) -> HttpResponse:
    """429, in place of the sign-in page, after too many wrong passwords."""
    cool_off = get_cool_off(request)
    seconds = int(cool_off.total_seconds()) if cool_off else None
    minutes = None if seconds is None else max(1, round(seconds / 60))
    response = error_response(
        request,
        status=429,
        code="locked_out",
        message="Too many wrong passwords for this user name from this address.",
        remedy=(
            f"Wait {minutes} minute{'s' if minutes != 1 else ''} and try again, or ask an "
            "administrator of the portal."
        ),
    )
    if seconds is not None:
        response.headers["Retry-After"] = str(seconds)
    return response
