"""What people fill in about themselves, each other and their tokens."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm

from apps.accounts.errors import AccountInvalid
from apps.accounts.models import ApiToken, User
from apps.accounts.roles import Role
from apps.accounts.services.tokens import network_text

WRONG = "The user name or the password is not right. Both are case-sensitive."
AREAS = (
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)
LIVES = (7, 30, 90, 180, 366)
"""Days that a token may be made for."""


class SignInForm(AuthenticationForm):
    """The same words for an unknown name and for a wrong password.

    A directory may add why a right password does not open the portal, or that it is away.
    """

    error_messages: Any = {"invalid_login": WRONG, "inactive": WRONG}

    def get_invalid_login_error(self) -> forms.ValidationError:
        problem: str = getattr(self.request, "portal_sign_in_problem", "")
        return forms.ValidationError(problem) if problem else super().get_invalid_login_error()


@cache
def zone_names() -> dict[str, list[str]]:
    """Area → zones, as this machine knows them."""
    found: dict[str, list[str]] = {"Everywhere": ["UTC"]}
    for name in sorted(zoneinfo.available_timezones()):
        area, _, place = name.partition("/")
        if place and area in AREAS:
            found.setdefault(area, []).append(name)
    return found


class PreferencesForm(forms.Form):
    time_zone = forms.CharField(required=False, max_length=64)
    theme = forms.ChoiceField(choices=User.Theme.choices)

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        if name and all(name not in names for names in zone_names().values()):
            raise forms.ValidationError("Choose a time zone from the list.")
        return name


class NamesForm(forms.Form):
    first_name = forms.CharField(required=False, max_length=150)
    last_name = forms.CharField(required=False, max_length=150)
    email = forms.EmailField(required=False, max_length=254)


class PersonForm(NamesForm):
    """A new account."""

    username = forms.CharField(max_length=150)
    role = forms.ChoiceField(choices=[(role.value, role.value) for role in Role])
    kind = forms.ChoiceField(choices=[("person", "person"), ("service", "service")])

    def clean_username(self) -> str:
        name: str = User.normalize_username(self.cleaned_data["username"])
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError("Somebody has this user name already.")
        User._meta.get_field("username").run_validators(name)
        return name


class TokenForm(forms.Form):
    """A new token of `owner`; the longest life is a setting."""

    name = forms.CharField(max_length=100)
    scope = forms.ChoiceField(choices=ApiToken.Scope.choices)
    days = forms.TypedChoiceField(coerce=int)
    allowed_network = forms.CharField(required=False, max_length=64)

    def __init__(self, *args: Any, owner: User, at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owner, self._at = owner, at
        self.fields["days"].choices = token_lives()  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if ApiToken.objects.live(at=self._at).filter(user=self._owner, name=name).exists():
            raise forms.ValidationError(
                "A token of this name is in use. Revoke it first, or choose another name."
            )
        return name

    def clean_allowed_network(self) -> str:
        try:
            return network_text(self.cleaned_data["allowed_network"])
        except AccountInvalid as error:
            raise forms.ValidationError(error.message) from error

    def expires_at(self) -> datetime | None:
        days: int = self.cleaned_data["days"]
        return self._at + timedelta(days=days) if days else None


def token_lives() -> list[tuple[int, str]]:
    """Days and words; 0 is without an end, where the site allows that."""
    most: int = settings.PORTAL_TOKEN_MAX_DAYS
    lives = [days for days in LIVES if not most or days <= most] or [most]
    offered = [(days, f"{days} day{'s' if days != 1 else ''}") for days in lives]
    return offered if most else [*offered, (0, "no end")]


class NewPasswordForm(forms.Form):
    """One password, typed twice."""

    password = forms.CharField(strip=False, max_length=1024)
    again = forms.CharField(strip=False, max_length=1024)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "password" in cleaned and cleaned.get("again") != cleaned["password"]:
            self.add_error("again", "The two are not the same.")
        return cleaned
