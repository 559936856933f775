"""A node is kept out of service: shown with it, over by itself, on the record."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.audit.models import AuditEvent
from apps.audit.services import Actor
from apps.nodes.maintenance import MaintenanceInvalid, maintenance_begin, maintenance_end
from apps.nodes.models import Node
from apps.nodes.rows import InMaintenance
from apps.nodes.selectors import node_row, topology
from tests.factories import AT, cluster_of_four

pytestmark = pytest.mark.django_db
ANN = Actor(1, "ann")
HOUR = timedelta(hours=1)


@pytest.fixture
def node() -> Node:
    return Node.objects.get(cluster=cluster_of_four(), node_id=3)


def test_it_is_shown_with_the_node(node: Node) -> None:
    maintenance_begin(node, actor=ANN, reason=" a new disk ", until=AT + HOUR, at=AT)
    expected = InMaintenance(by="ann", reason="a new disk", since=AT, until=AT + HOUR)
    rows = topology(node.cluster, at=AT).nodes
    assert [row.maintenance for row in rows] == [None, None, None, expected]
    assert node_row(node, at=AT).maintenance == expected
    assert rows[3].as_contract()["maintenance"] == {
        "by": "ann",
        "reason": "a new disk",
        "since": AT,
        "until": AT + HOUR,
    }


def test_it_is_over_by_itself(node: Node) -> None:
    maintenance_begin(node, actor=ANN, reason="x", until=AT + HOUR, at=AT)
    assert node_row(node, at=AT + HOUR).maintenance is None
    later = maintenance_begin(node, actor=ANN, reason="y", until=None, at=AT + 2 * HOUR)
    assert later.since == AT + 2 * HOUR


def test_it_raises_the_cursor_of_live_pages(node: Node) -> None:
    before = topology(node.cluster, at=AT).cursor
    maintenance_begin(node, actor=ANN, reason="x", until=None, at=AT)
    node.cluster.refresh_from_db()
    assert topology(node.cluster, at=AT).cursor > before


def test_it_is_on_the_record(node: Node) -> None:
    maintenance_begin(node, actor=ANN, reason="x", until=None, at=AT)
    maintenance_begin(node, actor=Actor(2, "bob"), reason="y", until=None, at=AT + HOUR)
    assert maintenance_end(node, actor=ANN, at=AT + 2 * HOUR)
    assert not maintenance_end(node, actor=ANN, at=AT + 2 * HOUR)
    events = AuditEvent.objects.order_by("number")
    assert [(event.action, event.actor_name, event.reason) for event in events] == [
        ("node.maintenance_begin", "ann", "x"),
        ("node.maintenance_change", "bob", "y"),
        ("node.maintenance_end", "ann", "y"),
    ]
    assert [event.target_id for event in events] == ["3"] * 3


@pytest.mark.parametrize(("reason", "after_s"), [("  ", 60), ("x", 0), ("x", -1)])
def test_it_needs_a_reason_and_an_end_to_come(node: Node, reason: str, after_s: int) -> None:
    with pytest.raises(MaintenanceInvalid):
        maintenance_begin(
            node, actor=ANN, reason=reason, until=AT + timedelta(seconds=after_s), at=AT
        )
    assert node_row(node, at=AT).maintenance is None
