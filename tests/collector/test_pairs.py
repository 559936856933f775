"""Connections that are spent on a 2.2 runtime: counted over the portal's whole life, and shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from apps.accounts.roles import Role
from apps.collector.pairs import pairs_spent
from apps.nodes.models import Node
from apps.runtime.simulated import SimOptions, SimulatedCluster
from apps.runtime.types import CONNECTIONS_LOW, CONNECTIONS_SERVED, WireGeneration
from apps.runtime.wire.client import WireClient
from tests.accounts.people import person_make
from tests.collector.poller import Poller


@pytest.fixture
def old() -> Iterator[SimulatedCluster]:
    options = SimOptions(nodes=2, port=0, generation=WireGeneration.V2_2)
    with SimulatedCluster(options) as cluster:
        yield cluster


@pytest.fixture
def poller(old: SimulatedCluster, db: None) -> Iterator[Poller]:
    poller = Poller(old.targets())
    yield poller
    poller.engine.close()


def spent(poller: Poller, node_id: int) -> int | None:
    return poller.node(node_id).dialback_pairs_spent


def test_what_the_runtime_counts_is_what_is_stored(poller: Poller, old: SimulatedCluster) -> None:
    poller.all_fresh()
    assert old.node(0).sim.pairs_spent == spent(poller, 0) == 1
    poller.new_process()
    poller.until(lambda: spent(poller, 0) != 1, within_s=30)
    assert old.node(0).sim.pairs_spent == spent(poller, 0) == 2
    poller.new_process()
    poller.until(lambda: spent(poller, 0) != 2, within_s=30)
    assert old.node(0).sim.pairs_spent == spent(poller, 0) == 3


def test_a_restarted_runtime_is_counted_anew(poller: Poller, old: SimulatedCluster) -> None:
    poller.all_fresh()
    poller.new_process()
    poller.until(lambda: spent(poller, 0) == 2, within_s=30)
    boot = poller.node(0).boot
    old.node(0).restart()
    poller.until(lambda: poller.node(0).boot != boot, within_s=60)
    assert spent(poller, 0) == old.node(0).sim.pairs_spent == 1
    assert spent(poller, 1) == 2


def test_a_link_made_anew_and_another_member_are_counted() -> None:
    client = WireClient()
    try:
        assert pairs_spent(client, 1, boot=7, spent=3, stored=(7, 10)) == 13
        assert pairs_spent(client, 1, boot=7, spent=4, stored=(7, 13)) == 14
        assert pairs_spent(client, 1, boot=7, spent=1, stored=(7, 14)) == 15  # a new link
        assert pairs_spent(client, 1, boot=7, spent=1, stored=(7, 20)) == 20  # spent by others
        assert pairs_spent(client, 1, boot=7, spent=2, stored=(7, 20)) == 21
        assert pairs_spent(client, 1, boot=8, spent=1, stored=(7, 21)) == 1
        assert pairs_spent(client, 2, boot=8, spent=1, stored=(7, 500)) == 1
    finally:
        client.close()


@pytest.mark.parametrize(
    ("used", "words"),
    [
        (CONNECTIONS_LOW - 1, None),
        (CONNECTIONS_LOW, "500 of 1,000 are left"),
        (CONNECTIONS_SERVED, "Its connections have run out."),
    ],
)
def test_few_left_is_said_where_people_look(
    poller: Poller, client: Client, used: int, words: str | None
) -> None:
    poller.all_fresh()
    Node.objects.filter(node_id=0).update(dialback_pairs_spent=used)
    client.force_login(person_make(Role.OPERATOR), "apps.accounts.backends.PortalBackend")
    page = client.get("/node/0").content.decode()
    cards = client.get("/").content.decode()
    if words is None:
        assert "connections" not in cards
        assert "of 1,000 are left" not in page
        return
    assert words in page
    assert "Restart it at a quiet time" in page
    assert "/node/0/actions" in page
    assert f"{CONNECTIONS_SERVED - used} connections left" in cards
    assert cards.count("connections left") == 1  # node 1 has enough


def test_other_generations_have_no_limit(client: Client, db: None) -> None:
    with SimulatedCluster(SimOptions(nodes=1, port=0)) as cluster:
        poller = Poller(cluster.targets())
        try:
            poller.all_fresh()
        finally:
            poller.engine.close()
    Node.objects.update(dialback_pairs_spent=CONNECTIONS_SERVED)
    client.force_login(person_make(Role.VIEWER), "apps.accounts.backends.PortalBackend")
    assert "connections have run out" not in client.get("/node/0").content.decode()
