"""Nodes in Django's admin site: what is known of them, and the way onto each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.common.time import utc_now
from apps.control.access_admin import RUNTIME_FIELDS, SSH_FIELDS, access_record
from apps.control.models import NodeAccess
from apps.nodes.models import Node

if TYPE_CHECKING:  # only the types are generic
    _ModelAdmin = admin.ModelAdmin[Node]
    _Inline = admin.StackedInline[NodeAccess, Node]
else:
    _ModelAdmin, _Inline = admin.ModelAdmin, admin.StackedInline


class ChangesSettings:
    """Seen and changed by those who may change settings."""

    def _may(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.manage_settings"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)


class AccessInline(ChangesSettings, _Inline):
    model = NodeAccess
    verbose_name = "access to this node"
    verbose_name_plural = "SSH settings, where they differ from the cluster's"
    fieldsets = (
        (None, {"fields": ("method", "address")}),
        ("SSH", {"fields": SSH_FIELDS}),
        ("Runtime", {"fields": RUNTIME_FIELDS}),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)


@admin.register(Node)
class NodeAdmin(ChangesSettings, _ModelAdmin):
    """The host list makes nodes, and the collector says how they are: only the way is set here."""

    records_itself = True
    list_display = (
        "label",
        "host",
        "port",
        "cluster",
        "state",
        "hostname",
        "is_leader",
        "ssh_user",
        "retired_at",
        "in_the_portal",
    )
    list_filter = ("cluster", "state", "is_leader", ("retired_at", admin.EmptyFieldListFilter))
    search_fields = ("host", "hostname", "ip_address", "=node_id")
    list_select_related = ("cluster", "access")
    ordering = ("cluster", "node_id", "pk")
    list_per_page = 100
    actions = None
    inlines = (AccessInline,)
    fields = (
        "label",
        "in_the_portal",
        "cluster",
        "host",
        "port",
        "hostname",
        "ip_address",
        "state",
        "state_since",
        "state_reason",
        "is_leader",
        "wire_generation",
        "first_seen_at",
        "booted_at",
        "created_at",
        "retired_at",
    )
    readonly_fields = fields

    @admin.display(description="node", ordering="node_id")
    def label(self, node: Node) -> str:
        return "retired" if node.node_id is None else f"node {node.node_id}"

    @admin.display(description="SSH user")
    def ssh_user(self, node: Node) -> str:
        access: NodeAccess | None = getattr(node, "access", None)
        return access.user or "as the cluster" if access else "as the cluster"

    @admin.display(description="in the portal")
    def in_the_portal(self, node: Node) -> SafeString:
        if node.node_id is None or node.retired_at is not None:
            return SafeString("")
        return format_html('<a href="{}">open</a>', reverse("node", args=[node.node_id]))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        return super().get_queryset(request).select_related("cluster", "access")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """In the transaction that the admin site opens for the whole form."""
        earlier = {row.pk: row for row in NodeAccess.objects.filter(node=form.instance)}
        at = utc_now()
        for row in formset.save(commit=False):
            before = earlier.get(row.pk)
            row.changed_at = at
            row.save()
            access_record(request, "access.set", row, before=before, after=row, at=at)
        for row in formset.deleted_objects:
            access_record(request, "access.remove", row, before=row, after=None, at=at)
            row.delete()
