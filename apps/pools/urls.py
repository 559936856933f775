"""The page of pools, and fragments of a node's page."""

from __future__ import annotations

from django.urls import path

from apps.pools import views

urlpatterns = [
    path("pools", views.pools_page, name="pools"),
    path("fragments/pools", views.pools_fragment, name="fragment-pools"),
    path(
        "fragments/node/<int:node_id>/block-devices",
        views.block_devices_fragment,
        name="fragment-block-devices",
    ),
    path(
        "fragments/node/<int:node_id>/containers",
        views.containers_fragment,
        name="fragment-containers",
    ),
]
