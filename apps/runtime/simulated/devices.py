"""Figures of a node's block devices, with the health of the drives below them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from apps.runtime.simulated.boot import Boot
from apps.runtime.simulated.profile import FILE, RAM, Device, Drive
from apps.runtime.simulated.waves import (
    DAY_S,
    between,
    mixed,
    noise,
    swell_between,
    unit,
)
from apps.runtime.types import NO_PREDICTION_DAYS, WireGeneration

MB = 1024 * 1024
SEED_BANDWIDTH_MBPS = 476.60987026926017
SEED_LATENCY_US = 2098.152099609375
"""What the runtime's model says before any I/O."""

_BLOCK = 4_096
_CALM_READ_BPS = 60_000.0
_CALM_WRITE_BPS = 90_000.0
_FAILING_CYCLE_DAYS = 120


def device_stats(
    device: Device, boot: Boot, at_s: float, work: float, generation: WireGeneration
) -> dict[str, Any]:
    """`stats` of one block device, in the order of the wire.

    ``work`` is the node's weighted seconds of work since the boot. 2.0 lacks the
    three health keys.
    """
    read, written = _blocks(device, boot, at_s, work) if device.used else (0, 0)
    per_op = _traits(device.key, device.read_mbps, device.write_mbps).blocks_per_op
    read_mbps, write_mbps, read_us, write_us = _predictions(device, boot, at_s)
    stats: dict[str, Any] = {
        "pool_name": device.pool_name,
        "bdev_type": device.bdev_type,
        "total_capacity": device.capacity_bytes,
        "remaining_capacity": device.capacity_bytes - _used_bytes(device, at_s, written),
        "read_bandwidth_mbps": read_mbps,
        "write_bandwidth_mbps": write_mbps,
        "read_latency_us": read_us,
        "write_latency_us": write_us,
        "iops": _iops(device, generation),
        "total_reads": read // per_op,
        "total_writes": written // per_op,
        "total_bytes_read": read * _BLOCK,
        "total_bytes_written": written * _BLOCK,
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


class Traits(NamedTuple):
    """What a device's key decides for good."""

    read_bps: float
    write_bps: float
    swell_s: float
    swell_phase: float
    blocks_per_op: int
    fill: float
    """Share of the capacity that it fills at most."""


@lru_cache(maxsize=16_384)
def _traits(key: int, read_mbps: float, write_mbps: float) -> Traits:
    return Traits(
        # A device is never driven at its limit for long: a few per cent at full work.
        read_bps=read_mbps * MB * between(0.01, 0.06, key, 1),
        write_bps=write_mbps * MB * between(0.01, 0.05, key, 2),
        swell_s=between(240.0, 900.0, key, 3),
        swell_phase=6.28 * unit(key, 4),
        blocks_per_op=16 << (mixed(key, 5) % 4),
        fill=between(0.35, 0.92, key, 6),
    )


def _blocks(device: Device, boot: Boot, at_s: float, work: float) -> tuple[int, int]:
    """Blocks read and written since the boot. Each only rises until a restart."""
    traits = _traits(device.key, device.read_mbps, device.write_mbps)
    calm = swell_between(boot.start_s, at_s, traits.swell_s, traits.swell_phase)
    return (
        int((work * traits.read_bps + calm * _CALM_READ_BPS) / _BLOCK),
        int((work * traits.write_bps + calm * _CALM_WRITE_BPS) / _BLOCK),
    )


def _used_bytes(device: Device, at_s: float, blocks_written: int) -> int:
    """Fills with what was written, and drains as blobs are evicted; never the whole."""
    traits = _traits(device.key, device.read_mbps, device.write_mbps)
    wave = 0.75 + 0.25 * noise(device.key + 7, at_s, 1_200.0)
    ceiling = traits.fill * device.capacity_bytes * wave
    return min(blocks_written, int(ceiling / _BLOCK)) * _BLOCK


def _predictions(device: Device, boot: Boot, at_s: float) -> tuple[float, float, float, float]:
    """Bandwidths in MB/s and latencies in us for 1 MiB; the seed for an unused device."""
    if not device.used:
        return SEED_BANDWIDTH_MBPS, SEED_BANDWIDTH_MBPS, SEED_LATENCY_US, SEED_LATENCY_US
    wave = 0.9 + 0.2 * noise(device.key + 8, at_s, 45.0)
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
