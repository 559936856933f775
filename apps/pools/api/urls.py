"""The pool routes."""

from __future__ import annotations

from apps.cluster.api.routes import get_routes
from apps.pools.api import views

urlpatterns = [
    *get_routes("pools", views.PoolsViewSet, "retrieve", "api-pools"),
    *get_routes(
        "node/<str:node_id>/bdev_stats",
        views.NodeBlockDevicesViewSet,
        "retrieve",
        "api-node-bdev-stats",
    ),
    *get_routes(
        "node/<str:node_id>/container_stats",
        views.NodeContainersViewSet,
        "retrieve",
        "api-node-container-stats",
    ),
]
