"""Who may do what: every action of the registry, on every way in, for every role."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import ApiToken
from apps.accounts.roles import ROLE_PERMISSIONS, Role
from apps.control.actions import ACTIONS
from apps.control.api.node_views import ACTIONS as ROUTED
from apps.control.errors import NotAllowed, ReadOnly
from apps.control.models import ControlJob, JobBatch
from apps.control.services import Order, control_job_launch
from tests.accounts.people import person_make
from tests.control.kit import cluster_with_nodes, node_of
from tests.control.test_jobs_api import browser, post, script

pytestmark = pytest.mark.django_db
ROLES: list[Role | None] = [None, *Role]
EVERY = pytest.mark.parametrize("action", sorted(ACTIONS))
ORDER = {"reason": "a test", "confirm": True}


@pytest.fixture(autouse=True)
def _nodes(settings: Any) -> None:
    settings.PORTAL_CLIO_RUN = "/opt/clio/bin/clio_run"
    cluster_with_nodes()


def may(role: Role | None, action: str) -> bool:
    return role is not None and ACTIONS[action].permission in ROLE_PERMISSIONS[role]


def nothing_was_launched() -> bool:
    return not ControlJob.objects.exists() and not JobBatch.objects.exists()


def test_every_action_has_a_route_and_a_permission_that_viewers_lack() -> None:
    assert set(ROUTED) == set(ACTIONS)
    assert not any(may(Role.VIEWER, action) for action in ACTIONS)
    assert all(may(Role.OPERATOR, action) for action in ACTIONS)


@EVERY
@pytest.mark.parametrize("role", ROLES)
def test_the_service(action: str, role: Role | None) -> None:
    def press() -> object:
        order = Order(action=action, reason="x", confirmed=True, fresh=True)
        user = person_make(role)
        return control_job_launch(node=node_of(3), user=user, order=order, at=timezone.now())

    if may(role, action):
        assert press()
        return
    with pytest.raises(NotAllowed):
        press()
    assert nothing_was_launched()


@EVERY
@pytest.mark.parametrize("role", ROLES)
def test_the_api_with_a_token_and_with_a_session(action: str, role: Role | None) -> None:
    user = person_make(role)
    for node_id, client in enumerate((script(user), browser(user))):
        path = f"/api/topology/node/{node_id}/{action}?wait=0"
        assert post(client, path, ORDER).status_code == (202 if may(role, action) else 403)
    order = ORDER | {"action": action, "nodes": [2, 3]}
    expected = 202 if may(role, action) else 403
    assert post(script(user), "/api/batches", order).status_code == expected
    assert nothing_was_launched() is not may(role, action)


@EVERY
@pytest.mark.parametrize("role", ROLES)
def test_the_pages(action: str, role: Role | None) -> None:
    client = browser(person_make(role))
    path = f"/node/3/actions/{action}"
    assert client.get(path).status_code == (200 if may(role, action) else 403)
    form = {"reason": "a test", "confirm": "yes"}
    assert client.post(path, form).status_code == (302 if may(role, action) else 403)
    order = form | {"nodes": "1-2", "action": action, "size": "1", "step": "launch"}
    expected = 302 if may(role, action) else 403
    assert client.post("/batches/new", order).status_code == expected
    assert nothing_was_launched() is not may(role, action)


@EVERY
def test_a_stranger_and_a_token_for_reading(action: str) -> None:
    path = f"/api/topology/node/3/{action}?wait=0"
    assert post(Client(), path, ORDER).status_code == 401
    assert Client().post(f"/node/3/actions/{action}", {"reason": "x"}).status_code == 302
    reader = script(person_make(Role.ADMINISTRATOR), ApiToken.Scope.READ)
    assert post(reader, path, ORDER).status_code == 403
    assert nothing_was_launched()


@EVERY
def test_the_read_only_switch_holds_for_everybody(action: str, settings: Any) -> None:
    settings.PORTAL_READ_ONLY = True
    user = person_make(Role.ADMINISTRATOR)
    with pytest.raises(ReadOnly):
        order = Order(action=action, reason="x", confirmed=True, fresh=True)
        control_job_launch(node=node_of(3), user=user, order=order, at=timezone.now())
    answer = post(script(user), f"/api/topology/node/3/{action}?wait=0", ORDER)
    assert (answer.status_code, answer.json()["code"]) == (403, "read_only")
    page = browser(user).post(f"/node/3/actions/{action}", {"reason": "x", "confirm": "yes"})
    assert page.status_code == 403
    assert nothing_was_launched()
