"""The trail in Django's admin site: to be read and searched, never written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from apps.audit.models import AuditEvent

if TYPE_CHECKING:  # only the type is generic
    _ModelAdmin = admin.ModelAdmin[AuditEvent]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(AuditEvent)
class AuditEventAdmin(_ModelAdmin):
    date_hierarchy = "at"
    list_display = (
        "number",
        "at",
        "action",
        "outcome",
        "actor_name",
        "address",
        "target_name",
        "reason",
    )
    list_filter = ("outcome", "action", "target_kind", ("at", admin.DateFieldListFilter))
    search_fields = (
        "actor_name",
        "action",
        "target_name",
        "=target_id",
        "reason",
        "=address",
        "=request_id",
        "=job_id",
    )
    ordering = ("-number",)
    list_per_page = 50
    show_full_result_count = False

    def has_view_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return bool(request.user.has_perm("accounts.view_audit"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False
