"""Ways of signing in that another server answers for, where a site has set them up."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.sessions import next_of


@dataclass(frozen=True, slots=True)
class SignInWay:
    """A link on the sign-in page."""

    name: str
    url: str


def sign_in_ways(request: HttpRequest, *, again: bool = False) -> list[SignInWay]:
    """`again`: for somebody who is signed in, and must prove it anew."""
    if not settings.PORTAL_OIDC_ID:
        return []
    query = {"next": next_of(request)}
    if again:
        # With max_age a provider says when that was, even if it let somebody through.
        query["auth_params"] = "prompt=login&max_age=0"
    url = reverse("openid_connect_login", args=[settings.PORTAL_OIDC_ID])
    return [SignInWay(name=settings.PORTAL_OIDC_NAME, url=f"{url}?{urlencode(query)}")]
