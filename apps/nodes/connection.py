"""How the portal stands to the cluster: what the banner on top of every page says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from apps.cluster.models import Cluster
from apps.nodes.freshness import collector_silence


class ConnectionKind(StrEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    """Rounds are made, but no node answers."""
    SILENT = "silent"
    """No rounds are made any more: the collector stopped."""
    WAITING = "waiting"
    """No round has been made yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    kind: ConnectionKind
    reason: str
    since: datetime | None
    is_simulated: bool

    @property
    def token(self) -> str:
        """Equal as long as the banner would read the same, but for its ticking ages."""
        text = f"{self.kind}|{self.since}|{self.is_simulated}"
        if self.kind is ConnectionKind.DISCONNECTED:
            text += self.reason
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def connection_of(cluster: Cluster | None, *, at: datetime) -> Connection:
    """No query. ``cluster`` is ``None`` before the portal was set up."""
    if cluster is None or cluster.polled_at is None:
        return Connection(
            kind=ConnectionKind.WAITING,
            reason="",
            since=None,
            is_simulated=cluster is not None and cluster.is_simulated,
        )
    if collector_silence(cluster, at=at):
        kind = ConnectionKind.SILENT
    elif cluster.connected is False:
        kind = ConnectionKind.DISCONNECTED
    else:
        kind = ConnectionKind.CONNECTED
    silent = kind is ConnectionKind.SILENT
    return Connection(
        kind=kind,
        reason=cluster.connection_reason,
        since=cluster.polled_at if silent else cluster.connection_since,
        is_simulated=cluster.is_simulated,
    )
