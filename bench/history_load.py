"""Seeded figures of a fleet, as samples and as ready hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apps.history.aggregates.hours import gauges_fields, hour_assemble
from apps.history.aggregates.rows import row_pack
from apps.history.aggregates.stats import GaugeStat
from apps.history.metrics import KINDS
from apps.history.types import SampleBatch

Array = npt.NDArray[np.int64]

METRICS = KINDS["system"]
MOVING = 6
"""CPU, RAM twice, GPU, HBM twice; the other four of the ten stand still."""

RAM_BYTES = 512 * 2**30
HBM_BYTES = 4 * 80 * 2**30
PAGE = 4096
CHUNK = 2 * 2**20
TICKS = 6400
"""CPU time is counted in hundredths of a second on 64 cores: 6,400 a second."""

SEED = 20_261_122


@dataclass
class Figures:
    """Steps of each metric: a line per node, a column per second."""

    steps: dict[str, Array]


def figures(nodes: int, first_second: int, seconds: int, seed: int) -> Figures:
    """Busy nodes with four GPUs: slow waves, noise from second to second, jobs that come and go."""
    rng = np.random.default_rng([SEED, seed])
    at = first_second + np.arange(seconds)
    phase = np.arange(nodes)[:, None] * 0.7
    wave = np.sin(at / 3400 + phase) + 0.4 * np.sin(at / 470 + 2 * phase)
    busy = np.clip(0.45 + 0.2 * wave + rng.normal(0, 0.025, (nodes, seconds)), 0, 1)
    cpu = np.rint(np.rint(busy * TICKS) / TICKS * 10_000)
    used = (0.4 + 0.1 * np.sin(at / 5000 + phase)) * RAM_BYTES / PAGE
    free = RAM_BYTES // PAGE - (used + rng.normal(0, 250, (nodes, seconds))).astype(np.int64)
    gpu = np.clip(70 + 20 * wave + rng.normal(0, 4, (nodes, seconds)), 0, 100)
    steps_of_hbm = np.cumsum(
        (rng.random((nodes, seconds)) < 0.02) * rng.normal(0, 400, (nodes, seconds)), axis=1
    )
    hbm = (
        np.clip(0.5 * HBM_BYTES / CHUNK + steps_of_hbm, 0, HBM_BYTES / CHUNK).astype(np.int64)
        * CHUNK
    )
    whole = np.ones((nodes, seconds), np.int64)
    return Figures(
        {
            "cpu_usage_pct": cpu.astype(np.int64),
            "ram_usage_pct": np.rint(10_000 - free * PAGE / RAM_BYTES * 10_000).astype(np.int64),
            "ram_total_bytes": whole * RAM_BYTES,
            "ram_available_bytes": free * PAGE,
            "gpu_count": whole * 4,
            "gpu_usage_pct": np.rint(gpu).astype(np.int64) * 100,  # drivers tell whole percents
            "hbm_usage_pct": np.rint(hbm / HBM_BYTES * 10_000).astype(np.int64),
            "hbm_used_bytes": hbm,
            "hbm_total_bytes": whole * HBM_BYTES,
            "is_leader": whole * 0,
        }
    )


def minute_batches(nodes: int, minute: int, *, first: int = 0) -> list[SampleBatch]:
    """One minute of 1 Hz samples of nodes `first` … as the collector hands them in."""
    rng = np.random.default_rng([SEED, 1, minute])
    found = figures(nodes, minute * 60, 60, minute).steps
    # A sampler that sleeps a second and works a little drifts by some ms a minute.
    late = np.cumsum(rng.random((nodes, 60)) < 0.12, axis=1) + rng.integers(0, 400, (nodes, 1))
    times = minute * 60_000 + np.arange(60) * 1000 + late
    columns = {
        metric.name: (found[metric.name] / metric.scale).tolist()
        if metric.scale > 1
        else found[metric.name].tolist()
        for metric in METRICS
    }
    return [
        SampleBatch(
            subject_kind="node",
            subject_key=str(first + node),
            kind="system",
            label=f"node{first + node}",
            boot=77,
            times_ms=times[node].tolist(),
            event_ids=list(range(minute * 60, minute * 60 + 60)),
            columns={name: values[node] for name, values in columns.items()},
        )
        for node in range(nodes)
    ]


@dataclass(frozen=True)
class ReadyHour:
    """Rows of one hour of one pattern: packed minutes, and the hour's own statistics."""

    minutes: bytes
    aggregates: bytes
    stats: tuple[GaugeStat, ...]


def ready_hours(patterns: int, hour: int) -> Iterator[ReadyHour]:
    """One closed hour of `patterns` different nodes."""
    found = figures(patterns, hour * 3600, 3600, hour).steps
    four = {}
    for metric in METRICS:
        cube = found[metric.name].reshape(patterns, 60, 60)
        four[metric.name] = (cube.min(2), cube.max(2), cube[:, :, -1], cube.sum(2))
    counts = np.full(60, 60, np.int64)
    known = np.ones(60, bool)
    for node in range(patterns):
        sections = []
        stats = []
        for metric in METRICS:
            low, high, last, total = (array[node] for array in four[metric.name])
            arrays = {
                "samples": counts,
                "minimum": low,
                "maximum": high,
                "last": last,
                "total": total,
            }
            number, fields = gauges_fields(arrays, counts, metric.scale)
            sections.append((number, known, fields))
            stats.append(
                GaugeStat(3600, int(low.min()), int(high.max()), int(last[-1]), int(total.sum()))
            )
        yield ReadyHour(
            hour_assemble(range(60), counts, sections),
            row_pack(stats, METRICS, count=3600, start_ms=hour * 3_600_000),
            tuple(stats),
        )
