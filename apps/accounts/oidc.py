"""Signing in by an OpenID Connect provider."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import requests
import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.openid_connect import views
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from apps.accounts.decorators import portal_public
from apps.accounts.models import User
from apps.accounts.services.sign_in import sign_in_failed, signed_in
from apps.accounts.services.sso import NO_GROUP, SignInRefused, role_missing, sso_account
from apps.accounts.sessions import DRAFTS
from apps.common.time import utc_now

log = structlog.get_logger(__name__)

PORTAL_BACKEND = "apps.accounts.backends.PortalBackend"
NAMES = {"first_name": "given_name", "last_name": "family_name", "email": "email"}
NAME_LENGTH = 150
KEPT = "portal_drafts_kept"
"""What the request carries from the emptied session into the new one."""
PROVEN = "portal_proven_at"


class PortalAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """No accounts but those that `PortalSocialAdapter` makes; sessions are the portal's own."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: User) -> None:
        login(request, user, backend=PORTAL_BACKEND)
        proven_at = getattr(request, PROVEN, None)
        signed_in(request, user, at=utc_now(), by="oidc", proven_at=proven_at)
        drafts = getattr(request, KEPT, None)
        if drafts:
            request.session[DRAFTS] = drafts


class PortalSocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """A person of the provider is an account here when a group says so."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """The provider has vouched for somebody: find or make the account, and its role."""
        sociallogin.state["process"] = "login"  # whatever the address asked for
        claims = claims_of(sociallogin.account.extra_data)
        known: User | None = sociallogin.user if sociallogin.is_existing else None
        name = known.get_username() if known else str(claims.get(settings.PORTAL_OIDC_USER_NAME))
        try:
            user = self._account(name.lower() if known is None else name, known, claims)
        except SignInRefused as refusal:
            sign_in_failed(username=name, at=utc_now(), reason=str(refusal))
            raise _to_sign_in(request, str(refusal)) from refusal
        setattr(request, PROVEN, auth_time(claims))
        if request.user.is_authenticated and request.user.pk == user.pk:
            # Signing in again, the library empties the session of the very same person.
            setattr(request, KEPT, request.session.get(DRAFTS))
        if known is None:
            sociallogin.connect(request, user)
        else:
            sociallogin.user = user

    def _account(self, name: str, known: User | None, claims: dict[str, Any]) -> User:
        if not name or name == "none":
            raise SignInRefused("The provider does not say your user name.")
        same_name = SocialAccount.objects.filter(user__username__iexact=name)
        if known is None and same_name.exists():
            # The same name for another subject: somebody else, of the same or an older provider.
            raise SignInRefused(
                "Another account has this user name. Ask an administrator of the portal."
            )
        groups = claims.get(settings.PORTAL_OIDC_GROUPS) or []
        user = sso_account(
            source=User.Source.OIDC,
            username=name,
            names={
                field: str(claims.get(claim) or "")[:NAME_LENGTH] for field, claim in NAMES.items()
            },
            groups=[groups] if isinstance(groups, str) else [str(one) for one in groups],
            at=utc_now(),
        )
        if role_missing(user):
            raise SignInRefused(NO_GROUP)
        return user

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        log.warning("sign-in by the provider failed", error=str(error), why=str(exception or ""))
        sign_in_failed(username="", at=utc_now(), reason=f"The provider's answer: {error}.")
        raise _to_sign_in(request, FAILED)


FAILED = "Signing in there did not work, or was given up. Try again."
UNREACHABLE = "The server for signing in does not answer at present. Try again later."


def claims_of(extra: dict[str, Any]) -> dict[str, Any]:
    """What the provider says of the person: in the signed token, and when asked."""
    if "id_token" in extra or "userinfo" in extra:
        return {**(extra.get("id_token") or {}), **(extra.get("userinfo") or {})}
    return extra


def auth_time(claims: dict[str, Any]) -> datetime | None:
    """When the person last proved to the provider who they are: not now, if a session there let
    them through. ``None``: it does not say.
    """
    said = claims.get("auth_time")
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    try:
        return datetime.fromtimestamp(said, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _to_sign_in(request: HttpRequest, sentence: str) -> ImmediateHttpResponse:
    messages.error(request, sentence)
    return ImmediateHttpResponse(redirect("login"))


@portal_public
def oidc_login(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    return _guarded(request, views.login, provider_id)


@portal_public
def oidc_callback(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    return _guarded(request, views.callback, provider_id)


def _guarded(request: HttpRequest, view: Any, provider_id: str) -> HttpResponseBase:
    try:
        answer: HttpResponseBase = view(request, provider_id)
    except (requests.RequestException, KeyError) as error:
        log.warning("the provider can't be used", why=str(error))
        messages.error(request, UNREACHABLE)
        return redirect("login")
    return answer


@portal_public
def oidc_given_up(request: HttpRequest) -> HttpResponse:
    messages.info(request, "Signing in was given up.")
    return redirect("login")
