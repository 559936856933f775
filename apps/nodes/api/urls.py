"""The node routes."""

from __future__ import annotations

from apps.cluster.api.routes import get_routes
from apps.nodes.api import views
from apps.nodes.api.history.urls import urlpatterns as history_urlpatterns

urlpatterns = [
    *get_routes("topology", views.TopologyViewSet, "retrieve", "api-topology"),
    *get_routes("system", views.SystemViewSet, "retrieve", "api-system"),
    *get_routes("workers", views.WorkersViewSet, "retrieve", "api-workers"),
    *get_routes(
        "node/<str:node_id>/workers", views.NodeWorkersViewSet, "retrieve", "api-node-workers"
    ),
    *get_routes(
        "node/<str:node_id>/system_stats",
        views.NodeSystemStatsViewSet,
        "retrieve",
        "api-node-system-stats",
    ),
    *history_urlpatterns,
]
