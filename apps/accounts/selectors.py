"""Reads over people, their roles and their tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import Count, Prefetch, Q, QuerySet
from django.db.models.functions import Lower

from apps.accounts.models import ApiToken, TokenQuerySet, User
from apps.accounts.roles import Role

STATES = (
    ("active", "can sign in"),
    ("locked", "locked out"),
    ("inactive", "deactivated"),
    ("service", "service account"),
)


def role_of(user: User) -> Role | None:
    """The highest role of the person's groups; uses what was prefetched."""
    names = {group.name for group in user.groups.all()}
    return next((role for role in reversed(Role) if role.value in names), None)


def administrators_who_can_sign_in() -> QuerySet[User]:
    return User.objects.filter(
        pk__in=User.groups.through.objects.filter(group__name=Role.ADMINISTRATOR.value).values(
            "user_id"
        ),
        is_active=True,
        is_service=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """One line of the list of people."""

    user: User
    role: Role | None
    is_locked: bool
    tokens: int

    @property
    def state(self) -> str:
        if not self.user.is_active:
            return "inactive"
        if self.is_locked:
            return "locked"
        if not self.user.is_service and self.user.is_local and not self.user.has_usable_password():
            return "invited"
        return "active"


def people(*, text: str = "", role: str = "", state: str = "", at: datetime) -> QuerySet[User]:
    """Filtered and ordered by name; `role` may be ``none``."""
    found = User.objects.prefetch_related(Prefetch("groups", Group.objects.order_by("name")))
    for word in text.split():
        found = found.filter(
            Q(username__icontains=word)
            | Q(first_name__icontains=word)
            | Q(last_name__icontains=word)
            | Q(email__icontains=word)
        )
    if role in list(Role):
        found = found.filter(groups__name=role)
    elif role == "none":
        found = found.exclude(groups__name__in=list(Role))
    if state == "inactive":
        found = found.filter(is_active=False)
    elif state == "service":
        found = found.filter(is_service=True)
    elif state == "active":
        found = found.filter(is_active=True, is_service=False)
    elif state == "locked":
        found = found.annotate(lower=Lower("username")).filter(lower__in=locked_names(at=at))
    return found.order_by("username").distinct()


def person_rows(users: Iterable[User], *, at: datetime) -> list[PersonRow]:
    """Two queries, however many people."""
    users = list(users)
    locked = locked_names(at=at, among=[user.get_username() for user in users])
    counts = dict(
        ApiToken.objects.live(at=at)
        .filter(user__in=users)
        .order_by()
        .values_list("user_id")
        .annotate(Count("pk"))
    )
    return [
        PersonRow(
            user=user,
            role=role_of(user),
            is_locked=user.get_username().lower() in locked,
            tokens=counts.get(user.pk, 0),
        )
        for user in users
    ]


def locked_names(*, at: datetime, among: Iterable[str] | None = None) -> set[str]:
    """User names, in lower case, that are locked out from some address now."""
    found = AccessAttempt.objects.filter(
        failures_since_start__gte=settings.AXES_FAILURE_LIMIT,
        attempt_time__gt=at - settings.AXES_COOLOFF_TIME,
    )
    if among is not None:
        found = found.filter(username__in=[name.lower() for name in among])
    return {name for name in found.values_list("username", flat=True) if name}


def tokens_of(user: User) -> TokenQuerySet:
    """Newest first, the ended ones too."""
    found: TokenQuerySet = (
        ApiToken.objects.filter(user=user).select_related("user").order_by("-created")
    )
    return found


def tokens_found(*, text: str, status: str, at: datetime) -> TokenQuerySet:
    """Of everybody; `text` in names of tokens or owners, `status` as `ApiToken.status`."""
    found: TokenQuerySet = ApiToken.objects.select_related("user").order_by("-created")
    for word in text.split():
        found = found.filter(Q(name__icontains=word) | Q(user__username__icontains=word))
    if status == "live":
        found = found.live(at=at)
    elif status == "revoked":
        found = found.exclude(revoked_at=None)
    elif status == "expired":
        found = found.filter(revoked_at=None, expiry__lte=at)
    return found
