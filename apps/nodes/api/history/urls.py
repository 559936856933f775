"""The routes of the history."""

from __future__ import annotations

from apps.cluster.api.routes import get_routes
from apps.nodes.api.history import views

urlpatterns = [
    *get_routes("history/metrics", views.MetricsViewSet, "retrieve", "api-history-metrics"),
    *get_routes("history/series", views.SeriesViewSet, "retrieve", "api-history-series"),
    *get_routes("history/fleet", views.FleetViewSet, "retrieve", "api-history-fleet"),
    *get_routes("history/top", views.TopViewSet, "retrieve", "api-history-top"),
    *get_routes("history/heatmap", views.HeatmapViewSet, "retrieve", "api-history-heatmap"),
    *get_routes("history/states", views.StatesViewSet, "retrieve", "api-history-states"),
]
