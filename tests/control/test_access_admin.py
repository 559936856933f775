"""The admin site's access settings: who may, and what the audit trail then says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.forms import modelform_factory
from django.http import HttpRequest
from django.test import RequestFactory

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.audit.models import AuditEvent
from apps.cluster.models import Cluster
from apps.control.access_admin import ClusterAccessAdmin
from apps.control.models import ClusterAccess
from tests.accounts.people import person_make

pytestmark = pytest.mark.django_db
AT = datetime(2026, 1, 2, tzinfo=UTC)


def request_of(user: User) -> HttpRequest:
    request = RequestFactory().post("/admin/")
    request.user = user
    return request


def test_each_change_is_in_the_trail() -> None:
    request = request_of(person_make(Role.ADMINISTRATOR))
    site_of_access = ClusterAccessAdmin(ClusterAccess, AdminSite())
    form: Any = modelform_factory(ClusterAccess, fields=["user"])()
    row = ClusterAccess(cluster=Cluster.objects.create(created_at=AT), user="clio")
    site_of_access.save_model(request, row, form, change=False)
    row.user = "other"
    site_of_access.save_model(request, row, form, change=True)
    site_of_access.delete_queryset(request, ClusterAccess.objects.all())
    assert not ClusterAccess.objects.exists()
    events = AuditEvent.objects.filter(action__startswith="access.").order_by("number")
    assert [(event.action, event.before, event.after) for event in events] == [
        ("access.set", None, {"user": "clio"}),
        ("access.set", {"user": "clio"}, {"user": "other"}),
        ("access.remove", {"user": "other"}, None),
    ]
    assert {event.actor_name for event in events} == {request.user.get_username()}


@pytest.mark.parametrize("role", list(Role))
def test_only_administrators(role: Role) -> None:
    request = request_of(person_make(role))
    site_of_access = ClusterAccessAdmin(ClusterAccess, AdminSite())
    allowed = role is Role.ADMINISTRATOR
    assert site_of_access.has_module_permission(request) is allowed
    assert site_of_access.has_view_permission(request) is allowed
    assert site_of_access.has_add_permission(request) is allowed
    assert site_of_access.has_change_permission(request) is allowed
    assert site_of_access.has_delete_permission(request) is allowed
