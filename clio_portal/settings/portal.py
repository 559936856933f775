"""How the portal reaches the cluster, and how often."""

from __future__ import annotations

from typing import Literal

from clio_portal.settings.env import read, wrong

__all__ = [
    "PORTAL_ALLOW_LEGACY_PROBE",
    "PORTAL_CLIENT",
    "PORTAL_DEADLINE_S",
    "PORTAL_DIALBACK_HOST",
    "PORTAL_DIALBACK_PORTS",
    "PORTAL_LIVE_CACHE_S",
    "PORTAL_POLL_BLOCK_DEVICES_S",
    "PORTAL_POLL_CONFIG_S",
    "PORTAL_POLL_CONTAINERS_S",
    "PORTAL_POLL_SYSTEM_S",
    "PORTAL_POLL_WORKERS_S",
    "PORTAL_STALE_AFTER_S",
    "PORTAL_WIRE_GENERATION",
]

LOW_S, HIGH_S = 0.5, 3600.0

PORTAL_CLIENT: Literal["auto", "wire", "native"] = read.choice(
    "CLIENT", "auto", ("auto", "wire", "native")
)
PORTAL_WIRE_GENERATION = read.choice("WIRE_GENERATION", "auto", ("auto", "2.0", "2.2", "2.3"))
PORTAL_ALLOW_LEGACY_PROBE = read.boolean("ALLOW_LEGACY_PROBE", default=False)
PORTAL_DIALBACK_HOST = read.text("DIALBACK_HOST")
PORTAL_DIALBACK_PORTS = read.port_range("DIALBACK_PORTS")

PORTAL_POLL_SYSTEM_S = read.seconds("POLL_SYSTEM_S", 2, low=LOW_S, high=HIGH_S)
PORTAL_POLL_WORKERS_S = read.seconds("POLL_WORKERS_S", 5, low=LOW_S, high=HIGH_S)
PORTAL_POLL_BLOCK_DEVICES_S = read.seconds("POLL_BLOCK_DEVICES_S", 10, low=LOW_S, high=HIGH_S)
PORTAL_POLL_CONTAINERS_S = read.seconds("POLL_CONTAINERS_S", 60, low=LOW_S, high=HIGH_S)
PORTAL_POLL_CONFIG_S = read.seconds("POLL_CONFIG_S", 5, low=LOW_S, high=HIGH_S)
PORTAL_DEADLINE_S = read.seconds("DEADLINE_S", 5, low=0.1, high=60)
PORTAL_STALE_AFTER_S = read.seconds("STALE_AFTER_S", 15, low=1, high=24 * 3600)
PORTAL_LIVE_CACHE_S = read.seconds("LIVE_CACHE_S", 0.25, low=0, high=0.25)
"""How old the look at the cluster may be from which pages and the API answer."""

if PORTAL_STALE_AFTER_S <= PORTAL_POLL_SYSTEM_S:
    raise wrong(
        "STALE_AFTER_S",
        f"{PORTAL_STALE_AFTER_S:g}",
        f"must be more than CLIO_PORTAL_POLL_SYSTEM_S ({PORTAL_POLL_SYSTEM_S:g}), "
        "or every figure would always be stale",
    )
