"""The way to clusters and nodes in Django's admin site; every change is in the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models, transaction
from django.forms import ModelForm
from django.http import HttpRequest

from apps.audit.services import Actor, AuditTarget, audit_record
from apps.common.time import utc_now
from apps.control.access_parts import PART_FIELDS
from apps.control.models import ClusterAccess, NodeAccess
from apps.control.models.access import AccessFields

SSH_FIELDS = ("port", "user", "key_file", "host_keys", "jump", "jump_key_file")
RUNTIME_FIELDS = ("clio_run", "server_conf", "storage_root", "log_path", "environment")

if TYPE_CHECKING:  # only the types are generic
    _ModelAdmin = admin.ModelAdmin[AccessFields]
    _Form = ModelForm[AccessFields]
else:
    _ModelAdmin = admin.ModelAdmin
    _Form = ModelForm


class AccessAdmin(_ModelAdmin):
    """Whoever may change settings; each change with what was and what is."""

    records_itself = True
    list_select_related = True
    readonly_fields = ("changed_at",)

    def save_model(
        self, request: HttpRequest, obj: AccessFields, form: _Form, change: bool
    ) -> None:
        with transaction.atomic():
            old = type(obj)._default_manager.filter(pk=obj.pk).first() if change else None
            obj.changed_at = utc_now()
            super().save_model(request, obj, form, change)
            access_record(request, "access.set", obj, before=old, after=obj, at=obj.changed_at)

    def delete_model(self, request: HttpRequest, obj: AccessFields) -> None:
        with transaction.atomic():
            access_record(request, "access.remove", obj, before=obj, after=None, at=utc_now())
            super().delete_model(request, obj)

    def delete_queryset(
        self, request: HttpRequest, queryset: models.QuerySet[AccessFields]
    ) -> None:
        with transaction.atomic():
            for row in queryset:
                self.delete_model(request, row)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: AccessFields | None = None) -> bool:
        return self._may(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: AccessFields | None = None) -> bool:
        return self._may(request)

    def has_delete_permission(self, request: HttpRequest, obj: AccessFields | None = None) -> bool:
        return self._may(request)

    def _may(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.manage_settings"))


def access_record(
    request: HttpRequest,
    action: str,
    row: AccessFields,
    *,
    before: AccessFields | None,
    after: AccessFields | None,
    at: datetime,
) -> None:
    audit_record(
        action=action,
        actor=Actor.of(request.user),
        at=at,
        target=AuditTarget("access", str(row.pk), str(row)),
        before=None if before is None else values_of(before),
        after=None if after is None else values_of(after),
    )


def values_of(row: AccessFields) -> dict[str, Any]:
    """What the row sets; fields that it leaves to others are not in it."""
    part = row.part
    values = {name: getattr(part, name) for name in PART_FIELDS}
    return {name: value for name, value in values.items() if value not in ("", None, {})}


@admin.register(ClusterAccess)
class ClusterAccessAdmin(AccessAdmin):
    list_display = ("cluster", "method", "user", "jump", "clio_run", "changed_at")
    fieldsets = (
        (None, {"fields": ("cluster", "method", "changed_at")}),
        ("SSH", {"fields": SSH_FIELDS}),
        ("Runtime", {"fields": RUNTIME_FIELDS}),
    )


@admin.register(NodeAccess)
class NodeAccessAdmin(AccessAdmin):
    list_display = ("node", "method", "address", "port", "user", "clio_run", "changed_at")
    list_filter = ("method", "node__cluster")
    search_fields = ("node__host", "address", "user")
    raw_id_fields = ("node",)
    fieldsets = (
        (None, {"fields": ("node", "method", "changed_at")}),
        ("SSH", {"fields": ("address", *SSH_FIELDS)}),
        ("Runtime", {"fields": RUNTIME_FIELDS}),
    )
