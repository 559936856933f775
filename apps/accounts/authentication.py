"""API tokens: ``Authorization: Token …``."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest

import structlog
from django.db.models import Q
from knox.crypto import hash_token
from knox.settings import CONSTANTS
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from apps.accounts.models import ApiToken, User
from apps.accounts.recent_tokens import recent_token, token_believed_for
from apps.accounts.services.tokens import token_refused
from apps.accounts.statements import tokens_by_key
from apps.common.client_address import client_address
from apps.common.repeats import claims_of
from apps.common.time import utc_now

log = structlog.get_logger(__name__)

KEYWORD = "Token"
LAST_USED_EVERY = timedelta(minutes=1)
"""``last_used_at`` is this exact, so that reading does not write with every request."""


class ApiTokenAuthentication(BaseAuthentication):
    """One query at most, see `recent_tokens`. A revoked token, and one of a user made inactive,
    ends with the next request.
    """

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
        token = _token_of(request, words[1].decode("ascii"), at=at)
        refusal = _refusal(token, request, address, at=at)
        if refusal is not None or token is None:
            raise _refused(token, refusal or NOT_VALID, address, at=at)
        token_touch(token, address=address, at=at)
        return token.user, token


def _token_of(request: Request, secret: str, *, at: datetime) -> ApiToken | None:
    if request.method not in SAFE_METHODS:
        return token_find(secret)
    read = recent_token(secret, token_find, at=at)
    if read is None:
        return None
    read_at, token = read
    until = read_at + token_believed_for()
    if token.expiry is not None:
        until = min(until, token.expiry)
    claims_of(request._request).until_s = until.timestamp()
    return token


def token_find(secret: str) -> ApiToken | None:
    """The token with its user, if there is one: whether it may be used is another question."""
    digest = hash_token(secret)
    rows = tokens_by_key(secret[: CONSTANTS.TOKEN_KEY_LENGTH])
    return next((row for row in rows if compare_digest(row.digest, digest)), None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token does not open this."""

    sentence: str
    code: str
    status: int = 401


NOT_VALID = Refusal("The token is not valid.", "bad_token")


def _refusal(
    token: ApiToken | None, request: Request, address: str, *, at: datetime
) -> Refusal | None:
    """``None``: it may be used. 401: the token is no good; 403: it is, but not for this."""
    if token is None:
        return NOT_VALID
    if token.revoked_at is not None:
        return Refusal("The token was revoked.", "token_revoked")
    if token.expiry is not None and token.expiry <= at:
        return Refusal("The token has expired.", "token_expired")
    if not token.user.is_active:
        return Refusal("The token's owner is not active.", "user_inactive")
    if token.allowed_network and not _is_in(address, token.allowed_network):
        sentence = "The token may not be used from this address."
        return Refusal(sentence, "network_not_allowed", 403)
    if request.method in SAFE_METHODS:
        return None
    if token.scope == ApiToken.Scope.READ:
        return Refusal("The token is for reading only.", "token_read_only", 403)
    origin = request.META.get("HTTP_ORIGIN")
    if origin and origin != f"{request.scheme}://{request.get_host()}":
        sentence = "Requests that change something are not accepted from other web pages."
        return Refusal(sentence, "foreign_origin", 403)
    return None


def _refused(
    token: ApiToken | None, refusal: Refusal, address: str, *, at: datetime
) -> APIException:
    log.info("token refused", code=refusal.code, token=str(token.public_id) if token else None)
    token_refused(token, sentence=refusal.sentence, address=address, at=at)
    if refusal.status == 401:
        return AuthenticationFailed(refusal.sentence, code=refusal.code)
    return PermissionDenied(refusal.sentence, code=refusal.code)


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
    token.last_used_at = at  # a token that is kept for a moment must not be written again
