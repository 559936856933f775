"""The node routes."""

from __future__ import annotations

from apps.cluster.api.routes import get_routes
from apps.nodes.api import views

urlpatterns = [
    *get_routes("topology", views.TopologyViewSet, "list", "api-topology"),
    *get_routes("system", views.SystemViewSet, "list", "api-system"),
    *get_routes("workers", views.WorkersViewSet, "list", "api-workers"),
    *get_routes(
        "node/<str:node_id>/workers", views.NodeWorkersViewSet, "retrieve", "api-node-workers"
    ),
    *get_routes(
        "node/<str:node_id>/system_stats",
        views.NodeSystemStatsViewSet,
        "retrieve",
        "api-node-system-stats",
    ),
]
