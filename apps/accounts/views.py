"""Signing in and out, and giving the password again."""

from __future__ import annotations

from typing import Any, cast

from axes.helpers import get_cool_off
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.accounts.decorators import SIGNED_IN, portal_permission
from apps.accounts.forms import SignInForm
from apps.accounts.models import User
from apps.accounts.services.sign_in import (
    confirmed,
    sign_in_failed,
    sign_in_locked,
    signed_in,
    signed_out,
)
from apps.accounts.sessions import fresh_mark, next_of
from apps.accounts.sso import sign_in_ways
from apps.common.error_views import error_response
from apps.common.time import utc_now


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class SignInView(LoginView):
    template_name = "accounts/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"ways": sign_in_ways(self.request)}

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        user: User = form.get_user()
        signed_in(self.request, user, at=utc_now(), by=str(user.source))
        return answer

    def form_invalid(self, form: Any) -> HttpResponse:
        username = str(form.data.get("username", "")).replace("\x00", "")
        reason = getattr(self.request, "portal_sign_in_problem", "")
        if username and not getattr(self.request, "axes_locked_out", False):
            words = reason or "The user name or the password was wrong."
            sign_in_failed(username=username, at=utc_now(), reason=words)
        return super().form_invalid(form)


class SignOutView(LogoutView):
    """POST only, so that no foreign page can sign somebody out by an image."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.user.is_authenticated:
            signed_out(request.user, at=utc_now())
        return super().post(request, *args, **kwargs)


@portal_permission(SIGNED_IN)
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_page(request: HttpRequest) -> HttpResponse:
    """The password again, before something dangerous; then back to it."""
    user = cast(User, request.user)
    wrong = False
    if request.method == "POST":
        password = request.POST.get("password", "")
        # Wrong ones count towards the lock-out, as at the sign-in.
        found = authenticate(request, username=user.get_username(), password=password)
        right = found is not None and found.pk == user.pk
        if right or not getattr(request, "axes_locked_out", False):
            confirmed(user, at=utc_now(), succeeded=right)
        if right:
            fresh_mark(request, at=utc_now())
            return redirect(next_of(request))
        wrong = True
    context = {
        "next": next_of(request),
        "wrong": wrong,
        "ways": sign_in_ways(request, again=True) if user.source == User.Source.OIDC else [],
        "by_password": user.source != User.Source.OIDC,
        "minutes": round(settings.PORTAL_FRESH_SIGN_IN.total_seconds() / 60),
    }
    return render(request, "accounts/confirm.html", context)


def locked_out(
    request: HttpRequest,
    original_response: HttpResponseBase | None = None,
    credentials: dict[str, Any] | None = None,
) -> HttpResponse:
    """429, in place of the sign-in page, after too many wrong passwords."""
    username = str((credentials or {}).get("username") or request.POST.get("username", ""))
    name = username.replace("\x00", "")
    sign_in_locked(request, username=name, credentials=credentials, at=utc_now())
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
