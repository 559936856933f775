"""The audit trail's pages."""

from __future__ import annotations

from django.urls import path

from apps.accounts import audit_pages

urlpatterns = [
    path("audit", audit_pages.audit_page, name="audit"),
    path("audit/<int:number>", audit_pages.audit_event_page, name="audit-event"),
    path("audit/export.csv", audit_pages.audit_export_csv, name="audit-export-csv"),
    path("audit/export.json", audit_pages.audit_export_json, name="audit-export-json"),
]
