"""Signing in and out."""

from __future__ import annotations

from django.urls import path

from apps.accounts.decorators import portal_public
from apps.accounts.views import SignInView, SignOutView

urlpatterns = [
    path("login/", portal_public(SignInView.as_view()), name="login"),
    path("logout/", portal_public(SignOutView.as_view()), name="logout"),
]
