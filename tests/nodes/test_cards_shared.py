"""The markup of a poll is made once for all who may see the same."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.cluster.models import Cluster
from apps.nodes import views
from apps.nodes.cache import topology_cache_clear
from apps.nodes.models import Node
from tests.factories import cluster_of_four
from tests.pages.test_control_pages import client_of

pytestmark = pytest.mark.django_db
POLL = "/fragments/topology?cursor=0"


@pytest.fixture(autouse=True)
def _shared(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PORTAL_LIVE_CACHE_S = 0.25
    monkeypatch.setattr(views, "CARDS_LAST_S", 60)  # a slow machine takes its second to ask again
    caches["live"].clear()
    topology_cache_clear()
    cluster_of_four(at=timezone.now())


def body(client: Client, path: str = POLL) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def rename() -> None:
    Node.objects.filter(node_id=0).update(host="renamed")
    topology_cache_clear()


def test_it_is_made_once_for_a_round_and_for_each_role() -> None:
    viewer = client_of(Role.VIEWER)
    first = body(viewer)
    rename()
    assert body(viewer) == first
    operator = body(client_of(Role.OPERATOR))
    assert "renamed" in operator
    assert "/node/1/actions/" in operator
    assert "/node/1/actions/" not in first


@pytest.mark.parametrize("other", ["&q=renamed", "&state=alive", "&page=2"])
def test_who_asks_otherwise_gets_an_own_one(other: str) -> None:
    viewer = client_of(Role.VIEWER)
    body(viewer)
    rename()
    assert "renamed" in body(viewer, POLL + other)
    assert "renamed" not in body(viewer)


def test_another_round_and_another_zone_too() -> None:
    viewer = client_of(Role.VIEWER)
    body(viewer)
    rename()
    User.objects.update(time_zone="Asia/Tokyo")
    assert "renamed" in body(viewer)
    Node.objects.filter(node_id=0).update(host="again")
    Cluster.objects.update(poll_number=900_000)
    topology_cache_clear()
    assert "again" in body(viewer)
