"""Signing in and out, one's own account, and people."""

from __future__ import annotations

from django.urls import path

from apps.accounts import people_pages, profile_pages, token_pages
from apps.accounts.decorators import portal_public
from apps.accounts.views import SignInView, SignOutView, confirm_page

urlpatterns = [
    path("accounts/login/", portal_public(SignInView.as_view()), name="login"),
    path("accounts/logout/", portal_public(SignOutView.as_view()), name="logout"),
    path("accounts/confirm", confirm_page, name="confirm"),
    path("accounts/me", profile_pages.profile_page, name="profile"),
    path("accounts/me/password", profile_pages.password_page, name="password"),
    path(
        "accounts/me/sign-out-everywhere",
        profile_pages.sign_out_everywhere,
        name="sign-out-everywhere",
    ),
    path("accounts/me/tokens", token_pages.own_tokens_page, name="tokens"),
    path(
        "accounts/tokens/<uuid:public_id>/revoke",
        token_pages.token_revoke_action,
        name="token-revoke",
    ),
    path(
        "accounts/set-password/<str:key>/<str:proof>",
        profile_pages.set_password_page,
        name="set-password",
    ),
    path("people", people_pages.people_page, name="people"),
    path("people/new", people_pages.person_new_page, name="person-new"),
    path("people/roles", people_pages.roles_page, name="roles"),
    path("people/tokens", token_pages.all_tokens_page, name="all-tokens"),
    path("people/<int:pk>", people_pages.person_page, name="person"),
    path("people/<int:pk>/tokens", token_pages.service_tokens_page, name="service-tokens"),
]
