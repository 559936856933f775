"""How old figures may be before they are called stale."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from apps.cluster.models import Cluster
from apps.nodes.models import FigureKind

MISSED_ROUNDS = 2.5
"""Figures polled rarely are stale when two rounds have gone by without them."""


def interval_s(kind: str) -> float:
    """Seconds between two rounds of `kind`, from the settings."""
    intervals: dict[str, float] = {
        FigureKind.SYSTEM: settings.PORTAL_POLL_SYSTEM_S,
        FigureKind.WORKERS: settings.PORTAL_POLL_WORKERS_S,
        FigureKind.BLOCK_DEVICES: settings.PORTAL_POLL_BLOCK_DEVICES_S,
        FigureKind.CONTAINERS: settings.PORTAL_POLL_CONTAINERS_S,
        FigureKind.POOLS: settings.PORTAL_POLL_CONTAINERS_S,
    }
    return intervals[kind]


def stale_after_s(kind: str) -> float:
    """Seconds after which figures of `kind` are stale: the setting, or 2.5 rounds if longer."""
    limit: float = settings.PORTAL_STALE_AFTER_S
    return max(limit, MISSED_ROUNDS * interval_s(kind))


def is_stale(received_at: datetime | None, *, kind: str, at: datetime) -> bool:
    """Figures that never came are stale too."""
    if received_at is None:
        return True
    return at - received_at > timedelta(seconds=stale_after_s(kind))


def collector_silence(cluster: Cluster, *, at: datetime) -> str:
    """Why nothing stored can be believed now; empty when the collector's rounds are recent."""
    if cluster.polled_at is None:
        return "No round of polling has finished yet."
    silent_s = (at - cluster.polled_at).total_seconds()
    if silent_s <= stale_after_s(FigureKind.SYSTEM):
        return ""
    return f"The collector has not finished a round of polling for {silent_s:.0f} s."


def cursor_of(cluster: Cluster, *, at: datetime) -> int:
    """The cursor of live pages: rises with each round, and once more when rounds stop coming.

    A page that shows the state of a moment ago must learn that it went stale,
    although nothing new was stored; so the number has a bit for that.
    """
    return cluster.poll_number * 2 + bool(collector_silence(cluster, at=at))
