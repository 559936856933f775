"""API tokens: ``Authorization: Token …``."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from hmac import compare_digest

from django.db.models import Q
from knox.crypto import hash_token
from knox.settings import CONSTANTS
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from apps.accounts.models import ApiToken, User
from apps.accounts.statements import tokens_by_key
from apps.common.client_address import client_address
from apps.common.time import utc_now

KEYWORD = "Token"
LAST_USED_EVERY = timedelta(minutes=1)
"""``last_used_at`` is this exact, so that reading does not write with every request."""


class ApiTokenAuthentication(BaseAuthentication):
    """One query. A revoked token, and one of a user made inactive, ends with the next request."""

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """``None`` without a token header. Raises 401 for a bad one, 403 for a wrong use."""
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != KEYWORD.lower().encode():
            return None
        if len(words) != 2 or not words[1].isascii():
            raise AuthenticationFailed(
                f"The header must read: Authorization: {KEYWORD} <token>.", code="bad_token"
            )
        at = utc_now()
        address = client_address(request._request)
        token = token_check(words[1].decode("ascii"), at=at)
        _token_use_check(token, request, address)
        token_touch(token, address=address, at=at)
        return token.user, token


def token_check(secret: str, *, at: datetime) -> ApiToken:
    """The token, with its user. Raises AuthenticationFailed (401)."""
    digest = hash_token(secret)
    rows = tokens_by_key(secret[: CONSTANTS.TOKEN_KEY_LENGTH])
    token: ApiToken | None = next((row for row in rows if compare_digest(row.digest, digest)), None)
    if token is None:
        raise AuthenticationFailed("The token is not valid.", code="bad_token")
    if token.expiry is not None and token.expiry <= at:
        raise AuthenticationFailed("The token has expired.", code="token_expired")
    if not token.user.is_active:
        raise AuthenticationFailed("The token's owner is not active.", code="user_inactive")
    return token


def _token_use_check(token: ApiToken, request: Request, address: str) -> None:
    """Raises PermissionDenied (403): the token is good, but not for this."""
    if token.allowed_network and not _is_in(address, token.allowed_network):
        raise PermissionDenied(
            "The token may not be used from this address.", code="network_not_allowed"
        )
    if request.method in SAFE_METHODS:
        return
    if token.scope == ApiToken.Scope.READ:
        raise PermissionDenied("The token is for reading only.", code="token_read_only")
    origin = request.META.get("HTTP_ORIGIN")
    if origin and origin != f"{request.scheme}://{request.get_host()}":
        raise PermissionDenied(
            "Requests that change something are not accepted from other web pages.",
            code="foreign_origin",
        )


def _is_in(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:  # the server knows no address, or the stored text is no network
        return False


def token_touch(token: ApiToken, *, address: str, at: datetime) -> None:
    """Note the use, at most once a minute."""
    due = at - LAST_USED_EVERY
    if token.last_used_at is not None and token.last_used_at > due:
        return
    ApiToken.objects.filter(Q(last_used_at=None) | Q(last_used_at__lte=due), pk=token.pk).update(
        last_used_at=at, last_used_from=address or None
    )
