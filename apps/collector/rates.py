"""Real throughput of block devices, from the difference of two counter readings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

RATE_OF = {
    "read_bytes_per_s": "total_bytes_read",
    "write_bytes_per_s": "total_bytes_written",
    "reads_per_s": "total_reads",
    "writes_per_s": "total_writes",
}
MIN_SPAN_S = 0.2
"""Two readings closer together than this make no rate: a late answer on the next one's heels."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The devices of a node at one instant, as stored, by one runtime process."""

    at: datetime
    boot: int | None
    devices: tuple[Mapping[str, Any], ...]


def devices_with_rates(
    devices: Iterable[dict[str, Any]],
    *,
    before: Reading | None,
    at: datetime,
    boot: int | None,
) -> list[dict[str, Any]]:
    """The devices with the four rates added, per second.

    ``None`` unless two readings of one runtime process say so: a restarted process counts
    from zero, and so does a device that was made anew.
    """
    previous: dict[str, Mapping[str, Any]] = {}
    span_s = 0.0
    if before is not None and before.boot == boot:
        span_s = (at - before.at).total_seconds()
        if span_s >= MIN_SPAN_S:
            previous = {device["pool_id"]: device for device in before.devices}
    return [device | _rates(device, previous.get(device["pool_id"]), span_s) for device in devices]


def _rates(
    now: Mapping[str, Any], before: Mapping[str, Any] | None, span_s: float
) -> dict[str, float | None]:
    unknown: dict[str, float | None] = dict.fromkeys(RATE_OF)
    if before is None:
        return unknown
    rates: dict[str, float | None] = {}
    for rate, counter in RATE_OF.items():
        new, old = now[counter], before[counter]
        if new is None or old is None:
            rates[rate] = None
        elif new < old:
            # One counter began anew, so all of them did.
            return unknown
        else:
            rates[rate] = (new - old) / span_s
    return rates
