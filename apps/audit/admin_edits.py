"""Every edit in Django's admin site is an event, whichever app registered the model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models, transaction
from django.http import HttpRequest

from apps.audit.services import Actor, AuditTarget, audit_record
from apps.common.time import utc_now

if TYPE_CHECKING:  # only the type is generic
    _Base = admin.ModelAdmin[models.Model]
else:
    _Base = object

LONGEST_VALUE = 500


class RecordsEdits(_Base):
    """Put before a ModelAdmin by the site. One with `records_itself` tells of its edits alone."""

    records_itself: bool
    """Of the page that this stands before: no value here, which would hide that one's."""

    def save_model(self, request: HttpRequest, obj: models.Model, form: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if not self.records_itself:
                _record(
                    request,
                    "admin.change" if change else "admin.add",
                    obj,
                    before=_values(form.initial, form.changed_data) if change else None,
                    after=_values(form.cleaned_data, form.changed_data),
                )

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_formset(request, form, formset, change)
            if self.records_itself:
                return
            for obj in getattr(formset, "new_objects", ()):
                _record(request, "admin.add", obj, after=_own_values(obj))
            for obj, fields in getattr(formset, "changed_objects", ()):
                _record(request, "admin.change", obj, after=_own_values(obj, fields))
            for obj in getattr(formset, "deleted_objects", ()):
                _record(request, "admin.delete", obj, before=_own_values(obj))

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        with transaction.atomic():
            if not self.records_itself:
                _record(request, "admin.delete", obj, before=_own_values(obj))
            super().delete_model(request, obj)

    def delete_queryset(
        self, request: HttpRequest, queryset: models.QuerySet[models.Model]
    ) -> None:
        with transaction.atomic():
            if not self.records_itself:
                for obj in queryset:
                    _record(request, "admin.delete", obj, before=_own_values(obj))
            super().delete_queryset(request, queryset)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        """Also called by forms of their own, such as the one for a new password."""
        if not self.records_itself and not getattr(request, _TOLD, False):
            _record(request, "admin.change", obj, after={"what": str(message)[:LONGEST_VALUE]})
        return super().log_change(request, obj, message)


_TOLD = "_portal_edit_recorded"


def _record(
    request: HttpRequest,
    action: str,
    obj: models.Model,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    setattr(request, _TOLD, True)
    audit_record(
        action=action,
        actor=Actor.of(request.user),
        at=utc_now(),
        target=AuditTarget(obj._meta.model_name or "", str(obj.pk), str(obj)),
        before=before,
        after=after,
    )


def _values(source: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: _plain(source.get(name)) for name in names}


def _own_values(obj: models.Model, names: Iterable[str] | None = None) -> dict[str, Any]:
    chosen = set(names) if names is not None else None
    return {
        field.name: _plain(field.value_from_object(obj))
        for field in obj._meta.concrete_fields
        if chosen is None or field.name in chosen
    }


def _plain(value: Any) -> Any:
    """What JSON can hold; rows of other tables by their names."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, models.QuerySet | list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)[:LONGEST_VALUE]
