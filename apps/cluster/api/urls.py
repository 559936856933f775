"""The configuration route, and the list of routes."""

from __future__ import annotations

from django.urls import path

from apps.cluster.api import views
from apps.cluster.api.routes import get_routes

urlpatterns = [
    path("", views.ApiRootViewSet.as_view({"get": "retrieve"}), name="api-root"),
    *get_routes("config", views.ConfigViewSet, "retrieve", "api-config"),
]
