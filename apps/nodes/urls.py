"""The pages of nodes."""

from __future__ import annotations

from django.urls import path

from apps.nodes import trends, views

urlpatterns = [
    path("", views.topology_page, name="topology"),
    path("node/<int:node_id>", views.node_page, name="node"),
    path("trends", trends.trends_page, name="trends"),
    path("history/storage", trends.storage_page, name="history-storage"),
    path("fragments/topology", views.topology_fragment, name="fragment-topology"),
    path("fragments/node/<int:node_id>", views.node_fragment, name="fragment-node"),
    path("fragments/node/<int:node_id>/trend", views.trend_fragment, name="fragment-node-trend"),
    path("fragments/connection", views.connection_fragment, name="fragment-connection"),
]
