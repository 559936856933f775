"""API tokens: one's own, a service account's, and all of them for administrators."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.decorators import SIGNED_IN, portal_permission
from apps.accounts.errors import AccountUnknown, TokenUnknown
from apps.accounts.forms import TokenForm, token_lives
from apps.accounts.models import ApiToken, User
from apps.accounts.profile_pages import me
from apps.accounts.roles import permission_full_name
from apps.accounts.selectors import tokens_found, tokens_of
from apps.accounts.services import token_create, token_revoke
from apps.accounts.sessions import fresh_sign_in, next_of
from apps.audit.services import Actor

PER_PAGE = 50
MOST_SHOWN = 200
USUAL_DAYS = 90


@portal_permission(SIGNED_IN)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@fresh_sign_in
def own_tokens_page(request: HttpRequest) -> HttpResponse:
    return _tokens_page(request, me(request))


@portal_permission("manage_people")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@fresh_sign_in
def service_tokens_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Only of accounts that nobody signs in to: a token is its owner, so people make their own."""
    owner = User.objects.filter(pk=pk, is_service=True).first()
    if owner is None:
        raise AccountUnknown
    return _tokens_page(request, owner)


def _tokens_page(request: HttpRequest, owner: User) -> HttpResponse:
    """POST makes one and shows its secret, on this one answer and never again."""
    at = timezone.now()
    made: ApiToken | None = None
    secret = ""
    form = TokenForm(request.POST or None, owner=owner, at=at)
    if request.method == "POST" and form.is_valid():
        made, secret = token_create(
            user=owner,
            name=form.cleaned_data["name"],
            scope=ApiToken.Scope(form.cleaned_data["scope"]),
            allowed_network=form.cleaned_data["allowed_network"],
            expires_at=form.expires_at(),
            actor=Actor.of(request.user),
            at=at,
        )
    context = {
        "at": at,
        "section": "profile" if owner == request.user else "people",
        "owner": owner,
        "own": owner == request.user,
        "may_operate": owner.has_perm(permission_full_name("operate_nodes")),
        "tokens": sorted(
            _rows(tokens_of(owner)[:MOST_SHOWN], at=at), key=lambda row: row["status"] != "live"
        ),
        "form": form,
        "given": request.POST if form.errors else None,
        "scopes": ApiToken.Scope.choices,
        "lives": token_lives(),
        "usual_days": USUAL_DAYS,
        "made": made,
        "secret": secret,
        "example": request.build_absolute_uri(reverse("api-topology")),
    }
    status = 400 if form.errors else 200
    return render(request, "accounts/tokens.html", context, status=status)


def _rows(tokens: Iterable[ApiToken], *, at: datetime) -> list[dict[str, Any]]:
    return [{"token": one, "status": one.status(at=at)} for one in tokens]


@portal_permission(SIGNED_IN)
@require_POST
def token_revoke_action(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One's own, or anybody's by those who manage people."""
    token = ApiToken.objects.filter(public_id=public_id).select_related("user").first()
    if token is None:
        raise TokenUnknown
    others = permission_full_name("manage_people")
    if token.user_id != me(request).pk and not request.user.has_perm(others):
        raise PermissionDenied
    if token_revoke(token, actor=Actor.of(request.user), at=timezone.now()):
        messages.success(request, f"The token {token.name} is revoked: it opens nothing any more.")
    return redirect(next_of(request, default="tokens"))


@portal_permission("manage_people")
@require_safe
def all_tokens_page(request: HttpRequest) -> HttpResponse:
    """Everybody's tokens, without their secrets, which nobody has."""
    at = timezone.now()
    given = {name: request.GET.get(name, "").replace("\x00", "")[:150] for name in ("q", "status")}
    page = Paginator(tokens_found(text=given["q"], status=given["status"], at=at), PER_PAGE)
    shown = page.get_page(request.GET.get("page"))
    context = {
        "at": at,
        "section": "people",
        "given": given,
        "page": shown,
        "tokens": _rows(shown, at=at),
        "is_filtered": any(given.values()),
        "filter_query": "&".join(f"{k}={v}" for k, v in given.items() if v),
    }
    return render(request, "accounts/all_tokens.html", context)
