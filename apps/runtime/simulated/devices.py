"""Figures of a node's block devices, with the health of the drives below them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from apps.runtime.simulated.boot import Boot
from apps.runtime.simulated.profile import FILE, RAM, Device, Drive, Profile
from apps.runtime.simulated.waves import (
    DAY_S,
    between,
    mixed,
    noise,
    swell_between,
    unit,
    work_between,
)
from apps.runtime.types import NO_PREDICTION_DAYS, WireGeneration

MB = 1024 * 1024
SEED_BANDWIDTH_MBPS = 476.60987026926017
SEED_LATENCY_US = 2098.152099609375
"""What the runtime's model says before any I/O."""

_BLOCK = 4_096
_FAILING_CYCLE_DAYS = 120


def device_stats(
    profile: Profile, device: Device, boot: Boot, at_s: float, generation: WireGeneration
) -> dict[str, Any]:
    """`stats` of one block device, in the order of the wire.

    2.0 lacks the three health keys. Counters start with the process.
    """
    read_bytes, written_bytes, reads, writes = _counters(profile, device, boot, at_s)
    read_mbps, write_mbps, read_us, write_us = _predictions(device, boot, at_s)
    stats: dict[str, Any] = {
        "pool_name": device.pool_name,
        "bdev_type": device.bdev_type,
        "total_capacity": device.capacity_bytes,
        "remaining_capacity": device.capacity_bytes - _used_bytes(profile, device, boot, at_s),
        "read_bandwidth_mbps": read_mbps,
        "write_bandwidth_mbps": write_mbps,
        "read_latency_us": read_us,
        "write_latency_us": write_us,
        "iops": _iops(device, generation),
        "total_reads": reads,
        "total_writes": writes,
        "total_bytes_read": read_bytes,
        "total_bytes_written": written_bytes,
    }
    if generation is not WireGeneration.V2_0:
        health, prediction, days = drive_texts(device.drive, int(at_s // 3_600))
        stats["device_health"] = health
        stats["failure_prediction"] = prediction
        stats["predicted_ttl_days"] = days
    return stats


def _iops(device: Device, generation: WireGeneration) -> float:
    if device.bdev_type == FILE:
        return 1_000.0
    if device.bdev_type == RAM and generation is not WireGeneration.V2_3:
        return 1_000.0
    return 1_000_000.0


def _counters(
    profile: Profile, device: Device, boot: Boot, at_s: float
) -> tuple[int, int, int, int]:
    """Bytes read, bytes written, reads, writes. Each only rises until a restart."""
    if not device.used:
        return 0, 0, 0, 0
    key = device.key
    work = work_between(profile.trains, boot.start_s, at_s)
    calm = swell_between(boot.start_s, at_s, between(240.0, 900.0, key, 3), 6.28 * unit(key, 4))
    # A device is never driven at its limit for long: a few per cent at full work.
    read_rate = device.read_mbps * MB * between(0.01, 0.06, key, 1)
    write_rate = device.write_mbps * MB * between(0.01, 0.05, key, 2)
    read_blocks = int((work * read_rate + calm * 60_000.0) / _BLOCK)
    write_blocks = int((work * write_rate + calm * 90_000.0) / _BLOCK)
    blocks_per_op = 16 << (mixed(key, 5) % 4)
    return (
        read_blocks * _BLOCK,
        write_blocks * _BLOCK,
        read_blocks // blocks_per_op,
        write_blocks // blocks_per_op,
    )


def _used_bytes(profile: Profile, device: Device, boot: Boot, at_s: float) -> int:
    """Fills with what was written, and drains as blobs are evicted; never the whole."""
    if not device.used:
        return 0
    written = _counters(profile, device, boot, at_s)[1]
    ceiling = between(0.35, 0.92, device.key, 6) * device.capacity_bytes
    wave = 0.75 + 0.25 * noise(mixed(device.key, 7), at_s, 1_200.0)
    return int(min(float(written), ceiling * wave)) // _BLOCK * _BLOCK


def _predictions(device: Device, boot: Boot, at_s: float) -> tuple[float, float, float, float]:
    """Bandwidths in MB/s and latencies in us for 1 MiB; the seed for an unused device."""
    if not device.used:
        return SEED_BANDWIDTH_MBPS, SEED_BANDWIDTH_MBPS, SEED_LATENCY_US, SEED_LATENCY_US
    wave = 0.9 + 0.2 * noise(mixed(device.key, 8), at_s, 45.0)
    # The model learns: it moves from its seed to what it sees within some minutes.
    learnt = min(1.0, (at_s - boot.start_s) / 180.0)
    read_mbps = SEED_BANDWIDTH_MBPS + (device.read_mbps * wave - SEED_BANDWIDTH_MBPS) * learnt
    write_mbps = SEED_BANDWIDTH_MBPS + (device.write_mbps * wave - SEED_BANDWIDTH_MBPS) * learnt
    return read_mbps, write_mbps, 1e6 / read_mbps, 1e6 / write_mbps


@lru_cache(maxsize=8_192)
def drive_texts(drive: Drive | None, hour: int) -> tuple[str, str, int]:
    """SMART data and failure prediction as JSON text, and the predicted days to live.

    ``{}``, ``{}`` and `NO_PREDICTION_DAYS` without a drive to ask.
    """
    if drive is None:
        return "{}", "{}", NO_PREDICTION_DAYS
    day = int(hour * 3_600 // DAY_S)
    days = 1 + (drive.days_left - day) % _FAILING_CYCLE_DAYS if drive.failing else None
    wear = 0 if days is None else _FAILING_CYCLE_DAYS - days
    health = {
        "model": drive.model,
        "serial": drive.serial,
        "smart_5_raw": 4 * wear,
        "smart_9_raw": drive.power_on_hours + hour,
        "smart_187_raw": wear // 3,
        "smart_188_raw": wear // 20,
        "smart_194_raw": 31 + (drive.power_on_hours + hour) % 9 + wear // 12,
        "smart_197_raw": 2 * wear,
        "smart_198_raw": wear,
    }
    prediction = {
        "failure_probability": round(0.02 if days is None else 0.99 - 0.006 * days, 3),
        "model_used": drive.kind,
        "days_remaining": days,
    }
    return json.dumps(health), json.dumps(prediction), days or NO_PREDICTION_DAYS
