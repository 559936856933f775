"""Only what signing in by OpenID Connect needs; the names are the library's."""

from __future__ import annotations

from django.urls import path

from apps.accounts import oidc

urlpatterns = [
    path("<str:provider_id>/login/", oidc.oidc_login, name="openid_connect_login"),
    path("<str:provider_id>/login/callback/", oidc.oidc_callback, name="openid_connect_callback"),
    path("given-up/", oidc.oidc_given_up, name="socialaccount_login_cancelled"),
]
