"""The page of the cluster's configuration."""

from __future__ import annotations

from django.urls import path

from apps.cluster import views

urlpatterns = [
    path("config", views.config_page, name="config"),
    path("fragments/config", views.config_fragment, name="fragment-config"),
]
