"""Which node is the local one."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from apps.nodes.api.local_node import host_is_local, local_node
from apps.nodes.rows import NO_FIGURES, NodeRow, node_row_build
from tests.factories import AT


def row(node_id: int, host: str, *, leader: bool = False, state: str = "alive") -> NodeRow:
    node = {
        "pk": node_id,
        "node_id": node_id,
        "host": host,
        "port": 9413,
        "hostname": host,
        "ip_address": "",
        "state": state,
        "state_since": AT,
        "state_reason": "",
        "is_leader": leader,
        "is_simulated": False,
        "maintenance__since": None,
        "maintenance__until": None,
        "last_action": None,
        "wire_generation": "2.3",
        "dialback_pairs_spent": 0,
    }
    return node_row_build(
        node, NO_FIGURES, host_repeats=False, silence="", old_after=timedelta(seconds=15), at=AT
    )


def here(host: str) -> bool:
    return host in ("here", "::1")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row(0, "a", leader=True), row(1, "here")], 1),
        ([row(0, "a", leader=True), row(1, "here", state="down")], 1),
        ([row(0, "a", leader=True), row(1, "::1")], 1),
        ([row(0, "here"), row(1, "here", leader=True)], 1),
        ([row(2, "here"), row(1, "here")], 1),
        ([row(0, "a"), row(1, "b", leader=True)], 1),
        ([row(0, "a", state="down"), row(1, "b")], 1),
        ([row(0, "a", state="down"), row(1, "b", state="down")], 0),
    ],
)
def test_local_node(rows: list[NodeRow], expected: int) -> None:
    found = local_node(rows, is_local=here)
    assert found is not None
    assert found.node_id == expected


def test_no_nodes_no_local_node() -> None:
    assert local_node([], is_local=here) is None


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        (socket.gethostname().upper(), True),
        ("0.0.0.0", False),  # noqa: S104 - a host list may hold it
        ("::", False),
        ("192.0.2.7", False),
        ("2001:db8::7", False),
        ("no-such-name.invalid", False),
        ("", False),
    ],
)
def test_host_is_local(host: str, local: bool) -> None:
    assert host_is_local(host) is local
