"""Jobs and batches in Django's admin site: to be read and searched, never written."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from apps.audit.admin import admin_link
from apps.control.models import BatchItem, ControlJob, JobBatch, JobCheck, JobTransition

if TYPE_CHECKING:  # only the types are generic
    _JobAdmin = admin.ModelAdmin[ControlJob]
    _BatchAdmin = admin.ModelAdmin[JobBatch]
    _Rows = admin.TabularInline[Model, Model]
else:
    _JobAdmin = _BatchAdmin = admin.ModelAdmin
    _Rows = admin.TabularInline

MAY = "accounts.view_jobs"


class ReadOnly:
    """Nobody adds, changes or deletes; jobs are launched where that is checked and recorded."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.has_perm(MAY))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class TransitionRows(ReadOnly, _Rows):
    model = JobTransition
    fields = ("at", "from_status", "to_status", "by", "note")
    verbose_name_plural = "course"
    extra = 0


class CheckRows(ReadOnly, _Rows):
    model = JobCheck
    fields = ("at", "phase", "found", "reached", "boot")
    verbose_name_plural = "verification"
    extra = 0


class ItemRows(ReadOnly, _Rows):
    model = BatchItem
    fields = ("position", "node", "status", "job", "note")
    verbose_name_plural = "nodes"
    extra = 0


@admin.register(ControlJob)
class ControlJobAdmin(ReadOnly, _JobAdmin):
    date_hierarchy = "queued_at"
    list_display = (
        "pk",
        "queued_at",
        "action",
        "status",
        "node_link",
        "who",
        "address",
        "reason",
        "outcome",
        "page",
    )
    list_filter = (
        "status",
        "action",
        "outcome_code",
        "cluster",
        ("queued_at", admin.DateFieldListFilter),
    )
    list_select_related = ("node", "cluster")
    list_per_page = 50
    search_fields = (
        "=id",
        "node_name",
        "=node_number",
        "requested_by_name",
        "reason",
        "outcome",
        "=outcome_code",
        "=address",
        "=request_id",
    )
    ordering = ("-pk",)
    show_full_result_count = False
    inlines: ClassVar = [TransitionRows, CheckRows]
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "action",
                    "status",
                    "node_link",
                    "node_number",
                    "cluster",
                    "page",
                    "batch_link",
                )
            },
        ),
        (
            "Who and why",
            {
                "fields": (
                    "who",
                    "reason",
                    "parameters",
                    "warnings",
                    "address",
                    "request_id",
                    "user_agent",
                    "idempotency_key",
                )
            },
        ),
        (
            "Course",
            {
                "fields": (
                    "queued_at",
                    "dispatched_at",
                    "dispatch_count",
                    "started_at",
                    "finished_at",
                    "lease_holder",
                    "cancel_requested_at",
                    "cancel_requested_by",
                )
            },
        ),
        (
            "Outcome",
            {
                "fields": (
                    "outcome",
                    "outcome_code",
                    "remedy",
                    "exit_code",
                    "lines_total",
                    "truncated",
                    "host_key_fingerprint",
                    "host_key_new",
                    "boot_before",
                    "boot_after",
                )
            },
        ),
    )

    @admin.display(description="node", ordering="node_name")
    def node_link(self, job: ControlJob) -> str:
        """The node's page, by the id that it has now."""
        return admin_link(f"{job.node_number}, {job.node_name}", "node", job.node.node_id)

    @admin.display(description="who", ordering="requested_by_name")
    def who(self, job: ControlJob) -> str:
        return admin_link(job.requested_by_name, "admin:accounts_user_change", job.requested_by_id)

    @admin.display(description="output")
    def page(self, job: ControlJob) -> str:
        return admin_link("page with output", "job", job.pk)

    @admin.display(description="batch")
    def batch_link(self, job: ControlJob) -> str:
        return admin_link(str(job.batch_id or "—"), "admin:control_jobbatch_change", job.batch_id)


@admin.register(JobBatch)
class JobBatchAdmin(ReadOnly, _BatchAdmin):
    date_hierarchy = "created_at"
    list_display = ("pk", "created_at", "action", "status", "size", "who", "reason", "outcome")
    list_filter = ("status", "action", ("created_at", admin.DateFieldListFilter))
    list_per_page = 50
    search_fields = ("=id", "requested_by_name", "reason", "outcome", "=address", "=request_id")
    ordering = ("-pk",)
    show_full_result_count = False
    inlines: ClassVar = [ItemRows]
    fields = (
        "action",
        "status",
        "cluster",
        "size",
        "stop_on_failure",
        "who",
        "reason",
        "parameters",
        "warnings",
        "address",
        "request_id",
        "user_agent",
        "created_at",
        "finished_at",
        "outcome",
    )

    @admin.display(description="who", ordering="requested_by_name")
    def who(self, batch: JobBatch) -> str:
        return admin_link(
            batch.requested_by_name, "admin:accounts_user_change", batch.requested_by_id
        )
