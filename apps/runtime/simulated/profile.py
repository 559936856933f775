"""The hardware of a simulated node: what a seed gives it, for good."""

from __future__ import annotations

from dataclasses import dataclass

from apps.runtime.simulated.waves import JobTrain, between, mixed, trains_make, unit

GIB = 1024**3
TB = 1000**4

FILE, RAM, HBM = 0, 1, 2
"""``bdev_type`` as the wire has it."""

_RAM_SIZES = (128 * GIB, 256 * GIB, 256 * GIB, 512 * GIB)
_GPU_COUNTS = (1, 2, 4, 4, 8)
_HBM_PER_GPU = (40 * GIB, 80 * GIB, 80 * GIB, 96 * GIB)
_DRIVES = (
    ("ssd", "SIM-NVME 3840G", 3_840 * 10**9, 3_200.0, 1_900.0),
    ("ssd", "SIM-NVME 7680G", 7_680 * 10**9, 6_400.0, 3_400.0),
    ("hdd", "SIM-HDD 16T", 16 * TB, 260.0, 245.0),
)


@dataclass(frozen=True, slots=True)
class Drive:
    """A physical drive under a file device. ``failing`` ones wear out while you watch."""

    kind: str
    model: str
    serial: str
    power_on_hours: int
    failing: bool
    days_left: int
    """Where a failing drive's countdown stands at the simulation's epoch."""


@dataclass(frozen=True, slots=True)
class Device:
    """A block device. Rates are bytes per second of a node at full work."""

    key: int
    pool_id: str
    pool_name: str
    bdev_type: int
    capacity_bytes: int
    read_mbps: float
    write_mbps: float
    used: bool
    """An unused device has zero counters and the model's seed as its predictions."""
    drive: Drive | None


@dataclass(frozen=True, slots=True)
class Profile:
    """One node. Pure function of its arguments to `profile_make`."""

    seed: int
    key: int
    node_id: int
    hostname: str
    ip_address: str
    is_leader: bool
    ram_total_bytes: int
    gpu_count: int
    hbm_total_bytes: int
    worker_count: int
    worker_births_s: tuple[float, ...]
    """Uptimes at which the runtime adds another worker."""
    devices: tuple[Device, ...]
    trains: tuple[JobTrain, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Shares of the fleet that have something, 0..1."""

    gpu_share: float = 0.25
    smart_share: float = 0.6
    failing_share: float = 0.05
    workers: int = 4


def hostname_of(node_id: int) -> str:
    return f"sim-{node_id + 1:04d}"


def profile_make(seed: int, node_id: int, ip_address: str, fleet: Fleet) -> Profile:
    """The node's hardware, its devices and its jobs, all from the seed."""
    key = mixed(seed, 1, node_id)
    gpu_count = _pick(_GPU_COUNTS, key, 2) if unit(key, 1) < fleet.gpu_share else 0
    hbm_total = gpu_count * _pick(_HBM_PER_GPU, key, 3)
    ram_total = _pick(_RAM_SIZES, key, 4)
    return Profile(
        seed=seed,
        key=key,
        node_id=node_id,
        hostname=hostname_of(node_id),
        ip_address=ip_address,
        is_leader=node_id == 0,
        ram_total_bytes=ram_total - int(unit(key, 5) * GIB),
        gpu_count=gpu_count,
        hbm_total_bytes=hbm_total,
        worker_count=fleet.workers,
        worker_births_s=_worker_births(key),
        devices=tuple(_devices(key, node_id, ram_total, hbm_total, fleet)),
        trains=trains_make(seed, node_id),
    )


def _worker_births(key: int) -> tuple[float, ...]:
    births = []
    if unit(key, 20) < 0.3:
        births.append(between(90.0, 1_800.0, key, 21))
        if unit(key, 22) < 0.4:
            births.append(births[0] + between(60.0, 3_600.0, key, 23))
    return tuple(births)


def _devices(key: int, node_id: int, ram_total: int, hbm_total: int, fleet: Fleet) -> list[Device]:
    suffix = f"_node{node_id}"
    ram_mbps = between(9_000.0, 14_000.0, key, 30)
    devices = [
        _memory_device(
            key,
            "301.0",
            "ram::chi_default_bdev",
            RAM,
            ram_total // 8,
            ram_mbps,
            unit(key, 31) < 0.7,
        ),
        _file_device(key, 1, "513.1", f"/mnt/nvme0/cte_disk_tier.dat{suffix}", fleet, (0, 1)),
        _memory_device(
            key, "512.1", f"ram::cte_ram_tier1{suffix}", RAM, ram_total // 4, ram_mbps, True
        ),
    ]
    if hbm_total:
        devices.append(
            _memory_device(
                key, "514.1", f"hbm::cte_hbm_tier0{suffix}", HBM, hbm_total // 2, 900_000.0, True
            )
        )
    if unit(key, 32) < 0.35:
        devices.append(
            _file_device(key, 2, "515.1", f"/mnt/hdd0/cte_archive.dat{suffix}", fleet, (2,))
        )
    return devices


def _memory_device(
    key: int, pool_id: str, name: str, bdev_type: int, capacity: int, mbps: float, used: bool
) -> Device:
    return Device(
        key=mixed(key, 40, int(pool_id.replace(".", ""))),
        pool_id=pool_id,
        pool_name=name,
        bdev_type=bdev_type,
        capacity_bytes=capacity,
        read_mbps=mbps,
        write_mbps=mbps * 0.8,
        used=used,
        drive=None,
    )


def _file_device(
    key: int, slot: int, pool_id: str, name: str, fleet: Fleet, choices: tuple[int, ...]
) -> Device:
    kind, model, capacity, read_mbps, write_mbps = _DRIVES[_pick(choices, key, 50, slot)]
    drive_key = mixed(key, 51, slot)
    drive = None
    if unit(drive_key, 1) < fleet.smart_share:
        drive = Drive(
            kind=kind,
            model=model,
            serial=f"SIM{mixed(drive_key, 2) % 16**8:08X}",
            power_on_hours=int(between(500, 45_000, drive_key, 3)),
            failing=unit(drive_key, 4) < fleet.failing_share,
            days_left=int(between(20, 120, drive_key, 5)),
        )
    return Device(drive_key, pool_id, name, FILE, capacity, read_mbps, write_mbps, True, drive)


def _pick(choices: tuple[int, ...], *parts: int) -> int:
    return choices[mixed(*parts) % len(choices)]
