"""The control routes, each with and without a slash behind."""

from __future__ import annotations

from django.urls import URLPattern, path
from rest_framework.viewsets import ViewSetMixin

from apps.control.api.audit_views import AuditViewSet
from apps.control.api.batch_views import BatchViewSet
from apps.control.api.job_views import JobViewSet
from apps.control.api.maintenance_views import MaintenanceViewSet
from apps.control.api.mark_views import MarksViewSet
from apps.control.api.node_views import ACTIONS, NodeActionViewSet


def _routes(
    route: str, viewset: type[ViewSetMixin], actions: dict[str, str], name: str
) -> list[URLPattern]:
    """`route` is documented; scripts may add a slash (a redirect would lose a POST's body)."""
    return [
        path(route, viewset.as_view(dict(actions)), name=name),
        path(f"{route}/", viewset.as_view(dict(actions), schema=None)),
    ]


urlpatterns = [
    *_routes("audit", AuditViewSet, {"get": "list"}, "api-audit"),
    *_routes("audit/export.csv", AuditViewSet, {"get": "export_csv"}, "api-audit-csv"),
    *_routes("audit/export.json", AuditViewSet, {"get": "export_json"}, "api-audit-json"),
    *_routes("audit/<str:number>", AuditViewSet, {"get": "retrieve"}, "api-audit-event"),
    *(
        pattern
        for action in ACTIONS
        for pattern in _routes(
            f"topology/node/<str:node_id>/{action}",
            NodeActionViewSet,
            {"post": action},
            f"api-node-{action}",
        )
    ),
    *_routes(
        "topology/node/<str:node_id>/maintenance",
        MaintenanceViewSet,
        {"get": "retrieve", "put": "begin", "delete": "end"},
        "api-node-maintenance",
    ),
    *_routes("history/marks", MarksViewSet, {"get": "retrieve"}, "api-history-marks"),
    *_routes("jobs", JobViewSet, {"get": "list"}, "api-jobs"),
    *_routes("jobs/<str:job_id>", JobViewSet, {"get": "retrieve"}, "api-job"),
    *_routes("jobs/<str:job_id>/output", JobViewSet, {"get": "output"}, "api-job-output"),
    *_routes("jobs/<str:job_id>/cancel", JobViewSet, {"post": "cancel"}, "api-job-cancel"),
    *_routes("batches", BatchViewSet, {"get": "list", "post": "create"}, "api-batches"),
    *_routes("batches/<str:batch_id>", BatchViewSet, {"get": "retrieve"}, "api-batch"),
    *(
        pattern
        for action in ("pause", "resume", "cancel")
        for pattern in _routes(
            f"batches/<str:batch_id>/{action}",
            BatchViewSet,
            {"post": action},
            f"api-batch-{action}",
        )
    ),
]
