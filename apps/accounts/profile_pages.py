"""One's own account: how pages look, the password, and signing out everywhere."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.encoding import force_str
from django.utils.http import urlsafe_base64_decode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.decorators import SIGNED_IN, portal_permission, portal_public
from apps.accounts.errors import PasswordTooWeak
from apps.accounts.forms import NamesForm, NewPasswordForm, PreferencesForm, zone_names
from apps.accounts.models import User
from apps.accounts.roles import MATRIX
from apps.accounts.selectors import role_of, tokens_of
from apps.accounts.services import (
    account_names_set,
    account_password_set,
    account_preferences_set,
    account_sign_out,
)
from apps.accounts.sessions import fresh_sign_in, session_begin
from apps.audit.services import Actor

PASSWORD_RULES = (
    "12 characters or more; a few words are easier to keep than a puzzle",
    "not a password that is known to be common",
    "not only digits",
    "not like your user name, name or email address",
)


def me(request: HttpRequest) -> User:
    """Who is signed in; the views let nobody else come so far."""
    return cast(User, request.user)


@portal_permission(SIGNED_IN)
@require_http_methods(["GET", "HEAD", "POST"])
def profile_page(request: HttpRequest) -> HttpResponse:
    user = me(request)
    preferences = PreferencesForm(request.POST or None)
    names = NamesForm(request.POST or None)
    if request.method == "POST" and preferences.is_valid() and names.is_valid():
        at = timezone.now()
        account_preferences_set(user, values=preferences.cleaned_data)
        if user.is_local:
            account_names_set(user, names=names.cleaned_data, actor=Actor.of(user), at=at)
        messages.success(request, "Your profile is saved.")
        return redirect("profile")
    role = role_of(user)
    context = {
        "at": timezone.now(),
        "section": "profile",
        "person": user,
        "role": role,
        "may": [row for row in MATRIX if user.has_perm(f"accounts.{row.codename}")],
        "zones": zone_names(),
        "themes": User.Theme.choices,
        "given": request.POST if request.method == "POST" else None,
        "problems": {**preferences.errors, **names.errors} if request.method == "POST" else {},
        "tokens": tokens_of(user).live(at=timezone.now()).count(),
    }
    status = 400 if context["problems"] else 200
    return render(request, "accounts/profile.html", context, status=status)


@portal_permission(SIGNED_IN)
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@fresh_sign_in
def password_page(request: HttpRequest) -> HttpResponse:
    """A new password: this session stays, all others of the person end."""
    user = me(request)
    form = NewPasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and user.is_local:
        at = timezone.now()
        try:
            changed = account_password_set(
                user, password=form.cleaned_data["password"], actor=Actor.of(user), at=at
            )
        except PasswordTooWeak as error:
            form.add_error("password", error.message)
        else:
            update_session_auth_hash(request, changed)
            session_begin(request, at=at)
            messages.success(request, "Your password is changed; other sessions have ended.")
            return redirect("profile")
    context = {"section": "profile", "person": user, "form": form, "rules": PASSWORD_RULES}
    return render(request, "accounts/password.html", context, status=400 if form.errors else 200)


@portal_permission(SIGNED_IN)
@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    user = me(request)
    account_sign_out(user, actor=Actor.of(user), at=timezone.now())
    logout(request)
    messages.info(request, "You are signed out everywhere.")
    return redirect("login")


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def set_password_page(request: HttpRequest, key: str, proof: str) -> HttpResponse:
    """Where an administrator's link leads: proof in the address, good once and for a few days."""
    user = _link_owner(key)
    if user is None or not default_token_generator.check_token(user, proof):
        return render(request, "accounts/set_password.html", {"person": None}, status=404)
    form = NewPasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            account_password_set(
                user,
                password=form.cleaned_data["password"],
                actor=Actor.of(user),
                at=timezone.now(),
            )
        except PasswordTooWeak as error:
            form.add_error("password", error.message)
        else:
            messages.success(request, "Your password is set: sign in with it.")
            return redirect("login")
    context = {"person": user, "form": form, "rules": PASSWORD_RULES}
    status = 400 if form.errors else 200
    return render(request, "accounts/set_password.html", context, status=status)


portal_public(set_password_page)


def _link_owner(key: str) -> User | None:
    try:
        pk = int(force_str(urlsafe_base64_decode(key)))
    except (ValueError, OverflowError):
        return None
    if not 0 < pk < 2**63:
        return None
    return User.objects.filter(
        pk=pk, is_active=True, is_service=False, source=User.Source.PORTAL
    ).first()
