"""The figures of a node: pure functions of its profile, its boot and the time.

Shapes are the wire's: maps in the order in which a real runtime packs them.
Times are seconds since the simulation's epoch unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from apps.runtime.simulated.boot import Boot
from apps.runtime.simulated.clock import NS
from apps.runtime.simulated.profile import Profile
from apps.runtime.simulated.waves import (
    DAY_S,
    between,
    daily,
    load,
    mixed,
    noise,
    swell_between,
    unit,
    work_between,
)

SIMULATED_KEY = "simulated"
"""A key that no real runtime sends; true in every answer that names a node."""

Figures = dict[str, Any]

_SAMPLE_JITTER_NS = 6_000_000
_POLLING_PER_S = 31_000.0
_IDLE_TASKS_PER_S = 12.0
_BUSY_TASKS_PER_S = 2_600.0


def host_info(profile: Profile) -> Figures:
    return {
        "hostname": profile.hostname,
        "ip_address": profile.ip_address,
        "node_id": profile.node_id,
        SIMULATED_KEY: True,
    }


# --- system samples ---------------------------------------------------------------------


def sample_offset_ns(profile: Profile, event_id: int) -> int:
    """When the sample was taken, after the boot. A runtime's second is a little uneven."""
    if event_id == 0:
        return 0
    return event_id * NS + mixed(profile.key, 80, event_id) % _SAMPLE_JITTER_NS


def newest_event(profile: Profile, uptime_ns: int) -> int:
    """Id of the last sample taken; -1 before the first."""
    event_id = uptime_ns // NS
    if event_id >= 0 and sample_offset_ns(profile, event_id) > uptime_ns:
        event_id -= 1
    return event_id


def system_sample(profile: Profile, boot: Boot, event_id: int) -> Figures:
    """One sample of the ring. Its CPU is 0 for event 0: no measurement, as on a real node."""
    offset_ns = sample_offset_ns(profile, event_id)
    at_s = boot.start_s + offset_ns / NS
    jobs = load(profile.trains, at_s)
    ram_used = int(profile.ram_total_bytes * _ram_share(profile, at_s, jobs))
    gpu_pct, hbm_share = _gpu(profile, at_s, jobs)
    return {
        "event_id": event_id,
        "timestamp_ns": boot.mono_ns + offset_ns,
        "wall_time_ns": boot.wall_ns + offset_ns,
        "ram_total_bytes": profile.ram_total_bytes,
        "ram_available_bytes": profile.ram_total_bytes - ram_used,
        "ram_usage_pct": 100.0 * ram_used / profile.ram_total_bytes,
        "cpu_usage_pct": _cpu_pct(profile, at_s, jobs) if event_id else 0.0,
        "gpu_count": profile.gpu_count,
        "gpu_usage_pct": gpu_pct,
        "hbm_usage_pct": 100.0 * hbm_share,
        "hbm_used_bytes": int(profile.hbm_total_bytes * hbm_share),
        "hbm_total_bytes": profile.hbm_total_bytes,
        "hostname": profile.hostname,
        "ip_address": profile.ip_address,
        "node_id": profile.node_id,
        "is_leader": profile.is_leader,
        SIMULATED_KEY: True,
    }


def _cpu_pct(profile: Profile, at_s: float, jobs: float) -> float:
    key = profile.key
    second = int(at_s)
    if mixed(key, 83, second) % 400 == 0:
        return 97.0 + 3.0 * unit(key, 84, second)
    calm = 4.0 + 9.0 * daily(at_s, 0.08)
    wander = (6.0 + 10.0 * jobs) * (noise(key + 81, at_s, 9.0) - 0.5)
    jitter = 3.0 * (unit(key, 82, second) - 0.5)
    return min(100.0, max(0.3, calm + 82.0 * jobs + wander + jitter))


def _ram_share(profile: Profile, at_s: float, jobs: float) -> float:
    slow = noise(profile.key + 85, at_s, 900.0)
    return min(0.97, 0.07 + 0.1 * slow + 0.05 * daily(at_s, 0.1) + 0.55 * jobs)


def _gpu(profile: Profile, at_s: float, jobs: float) -> tuple[float, float]:
    """GPU percent and share of HBM in use; zeros without a GPU, as a real node sends."""
    if not profile.gpu_count:
        return 0.0, 0.0
    wander = noise(profile.key + 86, at_s, 14.0)
    busy = min(1.0, jobs * (0.85 + 0.4 * wander))
    return 100.0 * busy, min(0.98, 0.02 + 0.8 * jobs + 0.06 * wander)


# --- workers ----------------------------------------------------------------------------


def workers(profile: Profile, boot: Boot, at_s: float) -> Iterator[Figures]:
    """One map per worker thread; the array grows at the profile's births."""
    uptime_s = at_s - boot.start_s
    jobs = load(profile.trains, at_s)
    for worker_id in range(profile.worker_count):
        is_network = worker_id == profile.worker_count - 1
        yield _worker(profile, worker_id, at_s, boot.start_s, jobs, is_network=is_network)
    for extra, born_s in enumerate(profile.worker_births_s):
        if uptime_s >= born_s:
            worker_id = profile.worker_count + extra
            start_s = boot.start_s + born_s
            yield _worker(profile, worker_id, at_s, start_s, jobs, is_network=False)


def _worker(
    profile: Profile,
    worker_id: int,
    at_s: float,
    start_s: float,
    jobs: float,
    *,
    is_network: bool,
) -> Figures:
    key, share_of_jobs, own_per_s = _worker_traits(profile.key, worker_id)
    share = jobs * share_of_jobs
    second = int(at_s)
    queued = int(24.0 * share * share * noise(key + 2, at_s, 5.0))
    blocked = int(6.0 * share * unit(key, 3, second))
    busy = is_network or unit(key, 4, second) < 0.05 + 0.9 * share
    return {
        "worker_id": worker_id,
        "is_running": True,
        "is_active": busy,
        "idle_iterations": mixed(key, 5, second) % (20 if busy else 4_000),
        "num_queued_tasks": queued,
        "num_blocked_tasks": blocked,
        "num_periodic_tasks": 3 if worker_id == 0 else 2,
        "num_retry_tasks": 1 if blocked > 3 and unit(key, 6, second) < 0.2 else 0,
        "suspend_period_us": 25 if busy else 1_000_000 * (1 + mixed(key, 7, second // 5) % 5),
        "num_tasks_processed": 3
        + int(
            (at_s - start_s) * (_POLLING_PER_S if is_network else own_per_s)
            + work_between(profile.trains, start_s, at_s) * share_of_jobs * _BUSY_TASKS_PER_S
        ),
        "load": 180.0 * queued * (0.5 + share),
    }


@lru_cache(maxsize=16_384)
def _worker_traits(node_key: int, worker_id: int) -> tuple[int, float, float]:
    """A worker's key, its share of the jobs, and the tasks it runs without any, per second."""
    key = mixed(node_key, 90, worker_id)
    return key, between(0.4, 1.0, key, 1), _IDLE_TASKS_PER_S * between(0.4, 3.0, key, 8)


# --- the CTE core -----------------------------------------------------------------------


def cte_core_stats(profile: Profile, boot: Boot, at_s: float) -> Figures:
    """`pool_stats` of clio_cte_core (2.3 only). Blobs come with work and are evicted daily."""
    blobs = work_between(profile.trains, boot.start_s, at_s) * 0.6
    swell = swell_between(boot.start_s, at_s, DAY_S, unit(profile.key, 95))
    return {
        "pool_name": "cte_main",
        "num_targets": sum(device.pool_id != "301.0" for device in profile.devices),
        "num_tags": 4 + int(swell / 900.0),
        "num_blobs": int(blobs),
    }
