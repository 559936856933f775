"""People, groups and tokens in Django's admin site; every change is in the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.accounts.models import ApiToken, User
from apps.accounts.recent_tokens import recent_tokens_forget
from apps.accounts.roles import PERMISSIONS, Role, permission_full_name
from apps.accounts.selectors import administrators_who_can_sign_in, role_of
from apps.accounts.services.accounts import account_facts, account_target
from apps.audit.services import Actor, AuditTarget, audit_record
from apps.common.time import utc_now

if TYPE_CHECKING:  # only the types are generic
    _UserAdmin = admin.ModelAdmin[User]
    _GroupAdmin = admin.ModelAdmin[Group]
    _TokenAdmin = admin.ModelAdmin[ApiToken]
    _UserForm = forms.ModelForm[User]
else:
    _UserAdmin = _GroupAdmin = _TokenAdmin = admin.ModelAdmin
    _UserForm = forms.ModelForm


class ManagesPeople:
    """Seen and changed by those who may manage people; nothing is added or deleted here."""

    records_itself = True

    def _may(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(permission_full_name("manage_people")))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def portal_link(name: str, *args: Any, text: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(name, args=args), text)


class PersonForm(_UserForm):
    """Keeps to the rules of the portal's own page of a person."""

    editor_pk: int | None = None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        groups = cleaned.get("groups")
        if groups is None:
            return cleaned
        roles = [group.name for group in groups if group.name in list(Role)]
        if len(roles) > 1:
            self.add_error("groups", "One role each: choose one of " + ", ".join(roles) + ".")
        stays = Role.ADMINISTRATOR.value in roles and cleaned.get("is_active", True)
        was = role_of(self.instance) is Role.ADMINISTRATOR and self.instance.is_active
        others = administrators_who_can_sign_in().exclude(pk=self.instance.pk)
        if was and not stays and not others.exists():
            raise ValidationError("This is the only administrator who can sign in.")
        own = self.instance.pk == self.editor_pk
        if own and ([role_of(self.instance)] != roles or not cleaned.get("is_active", True)):
            raise ValidationError("You can't take your own role or access away.")
        return cleaned


@admin.register(User)
class PersonAdmin(ManagesPeople, _UserAdmin):
    """Passwords, links and unlocking are on the portal's page of the person."""

    form = PersonForm
    list_display = (
        "username",
        "get_full_name",
        "role",
        "is_active",
        "is_service",
        "source",
        "last_login",
        "in_the_portal",
    )
    list_filter = ("is_active", "is_service", "source", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    list_per_page = 50
    actions = None
    filter_horizontal = ("groups",)
    readonly_fields = (
        "username",
        "is_service",
        "source",
        "last_login",
        "date_joined",
        "in_the_portal",
    )
    fieldsets = (
        (None, {"fields": ("username", "in_the_portal", "source", "is_service")}),
        ("Who it is", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "groups")}),
        ("Times", {"fields": ("date_joined", "last_login")}),
    )

    @admin.display(description="role")
    def role(self, user: User) -> str:
        found = role_of(user)
        return found.value if found else "none"

    @admin.display(description="in the portal")
    def in_the_portal(self, user: User) -> SafeString:
        return portal_link("person", user.pk, text="open")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        return type(made.__name__, (made,), {"editor_pk": request.user.pk})

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """In the transaction that the admin site opens for the whole form."""
        old = User.objects.get(pk=obj.pk)
        form.facts_before = account_facts(old) | {"groups": _names(old)}
        super().save_model(request, obj, form, change)
        if old.is_active != obj.is_active:  # its sessions end, and don't come back to life
            User.objects.filter(pk=obj.pk).update(session_epoch=F("session_epoch") + 1)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        user = User.objects.get(pk=form.instance.pk)
        before, after = form.facts_before, account_facts(user) | {"groups": _names(user)}
        if before != after:
            transaction.on_commit(recent_tokens_forget)
            audit_record(
                action="account.role" if before["groups"] != after["groups"] else "account.change",
                actor=Actor.of(request.user),
                at=utc_now(),
                target=account_target(user),
                before=before,
                after=after,
            )


def _names(user: User) -> list[str]:
    return sorted(user.groups.values_list("name", flat=True))


admin.site.unregister(Group)


@admin.register(Group)
class PortalGroupAdmin(ManagesPeople, _GroupAdmin):
    """The three roles as they are, and groups of a site's own that give single permissions."""

    list_display = ("name", "is_role", "members", "in_the_portal")
    search_fields = ("name", "permissions__codename", "permissions__name")
    list_filter = ("permissions__codename",)
    ordering = ("name",)
    actions = None
    filter_horizontal = ("permissions",)

    @admin.display(boolean=True, description="is a role")
    def is_role(self, group: Group) -> bool:
        return group.name in list(Role)

    @admin.display(description="members")
    def members(self, group: Group) -> int:
        return User.objects.filter(groups=group).count()

    @admin.display(description="in the portal")
    def in_the_portal(self, group: Group) -> SafeString:
        if not self.is_role(group):
            return SafeString("")
        url = f"{reverse('people')}?role={group.name}"
        return format_html('<a href="{}">people</a>', url)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A role is the same in every installation: the table in the code says what it may."""
        return self._may(request) and (obj is None or obj.name not in list(Role))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        kwargs["queryset"] = Permission.objects.filter(
            content_type__app_label="accounts", codename__in=PERMISSIONS
        )
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        old = Group.objects.get(pk=obj.pk) if change else None
        form.facts_before = group_facts(old) if old else None
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        group = Group.objects.get(pk=form.instance.pk)
        action = "group.change" if change else "group.create"
        _record_group(request, action, group, before=form.facts_before, after=group_facts(group))

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        _record_group(request, "group.delete", obj, before=group_facts(obj), after=None)
        super().delete_model(request, obj)


def group_facts(group: Group) -> dict[str, Any]:
    names = sorted(group.permissions.values_list("codename", flat=True))
    return {"name": group.name, "permissions": names}


def _record_group(
    request: HttpRequest,
    action: str,
    group: Group,
    *,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    if before == after:
        return
    transaction.on_commit(recent_tokens_forget)
    audit_record(
        action=action,
        actor=Actor.of(request.user),
        at=utc_now(),
        target=AuditTarget("group", str(group.pk), group.name),
        before=before,
        after=after,
    )


class TokenChangeList(ChangeList):
    """Links by the public id: a token's own key is its hash, which stays out of addresses."""

    def url_for_result(self, result: Any) -> str:
        return reverse("admin:accounts_apitoken_change", args=[result.public_id])


@admin.register(ApiToken)
class TokenAdmin(ManagesPeople, _TokenAdmin):
    """To be looked at and searched. Made and revoked in the portal, and no secret anywhere."""

    change_form_template = "admin/token.html"
    list_display = (
        "name",
        "user",
        "in_the_portal",
        "scope",
        "allowed_network",
        "expiry",
        "revoked_at",
        "last_used_at",
        "last_used_from",
    )
    list_filter = (
        "scope",
        "user__is_service",
        ("revoked_at", admin.EmptyFieldListFilter),
        ("expiry", admin.DateFieldListFilter),
        ("last_used_at", admin.DateFieldListFilter),
    )
    search_fields = ("name", "user__username", "=public_id", "allowed_network")
    list_select_related = ("user",)
    actions = None
    fields = (
        "public_id",
        "name",
        "user",
        "scope",
        "allowed_network",
        "created",
        "expiry",
        "revoked_at",
        "last_used_at",
        "last_used_from",
        "in_the_portal",
    )
    readonly_fields = fields

    @admin.display(description="in the portal")
    def in_the_portal(self, token: ApiToken) -> SafeString:
        return portal_link("person", token.user_id, text="owner")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return TokenChangeList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> ApiToken | None:
        try:
            return self.get_queryset(request).filter(public_id=object_id).first()
        except (ValueError, ValidationError):
            return None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Nothing is changed here; and the page would hold the token's own key."""
        raise Http404
