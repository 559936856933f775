"""Which node `/api/workers` speaks of."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

from apps.nodes.rows import NodeRow

LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


def host_is_local(host: str) -> bool:
    """Is `host`, a name or an address of the host list, this machine?

    Names are compared, never resolved: a web request must not wait for a name server.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        own = socket.gethostname().casefold()
        return host.casefold() in LOCAL_NAMES | {own, own.partition(".")[0]}
    return not address.is_unspecified and _is_own(address)


def _is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Only an address of this machine can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def local_node(
    rows: Sequence[NodeRow], *, is_local: Callable[[str], bool] = host_is_local
) -> NodeRow | None:
    """The node whose runtime this machine runs; else the leader; else the first that answers.

    Where this machine runs several, the leader among them or the one with the lowest id.
    ``None``: there are no nodes.
    """
    here = [row for row in rows if is_local(_host_of(row))]
    if here:
        return _leader(here) or min(here, key=_node_id)
    answering = [row for row in rows if row.alive]
    return _leader(rows) or min(answering or rows, key=_node_id, default=None)


def _leader(rows: Sequence[NodeRow]) -> NodeRow | None:
    return next((row for row in rows if row.is_leader), None)


def _node_id(row: NodeRow) -> int:
    return row.node_id


def _host_of(row: NodeRow) -> str:
    return row.address.rpartition(":")[0].strip("[]")
