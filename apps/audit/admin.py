"""The trail in Django's admin site: to be read and searched, never written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from apps.audit.models import AuditEvent

if TYPE_CHECKING:  # only the type is generic
    _ModelAdmin = admin.ModelAdmin[AuditEvent]
else:
    _ModelAdmin = admin.ModelAdmin


TARGET_PAGES = {
    "node": "node",
    "batch": "batch",
    "account": "admin:accounts_user_change",
}
"""Kind of target → the name of the page that shows it, by its key."""


def admin_link(text: str, page: str | None, key: int | None) -> str:
    """`text`, as a link where the page exists. The trail names things that are gone, too."""
    if page is None or key is None:
        return text
    try:
        url = reverse(page, args=[key])
    except NoReverseMatch:
        return text
    return format_html('<a href="{}">{}</a>', url, text)


@admin.register(AuditEvent)
class AuditEventAdmin(_ModelAdmin):
    date_hierarchy = "at"
    list_display = (
        "number",
        "at",
        "action",
        "outcome",
        "who",
        "address",
        "target",
        "reason",
        "job",
    )
    fields = (
        "number",
        "at",
        "action",
        "outcome",
        "who",
        "address",
        "request_id",
        "user_agent",
        "target",
        "target_kind",
        "target_id",
        "reason",
        "before",
        "after",
        "job",
        "previous_hash",
        "hash",
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

    @admin.display(description="who", ordering="actor_name")
    def who(self, event: AuditEvent) -> str:
        """The account as it is now, under the name that it had."""
        return admin_link(event.actor_name, "admin:accounts_user_change", event.actor_id)

    @admin.display(description="target", ordering="target_name")
    def target(self, event: AuditEvent) -> str:
        name = event.target_name or event.target_id or "—"
        page = TARGET_PAGES.get(event.target_kind)
        key = int(event.target_id) if event.target_id.isdecimal() else None
        return admin_link(name, page, key)

    @admin.display(description="job", ordering="job_id")
    def job(self, event: AuditEvent) -> str:
        key = int(event.job_id) if event.job_id.isdecimal() else None
        return admin_link(event.job_id or "—", "admin:control_controljob_change", key)

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
