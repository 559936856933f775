"""Handed-in samples → whole minutes of one series; minutes of one series → one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from apps.history.codec.blocks import Samples
from apps.history.codec.columns import (
    Column,
    column_of,
    column_take,
    column_values,
    columns_join,
)
from apps.history.errors import SamplesWrong
from apps.history.metrics import KINDS, SUBJECT_KINDS, Metric
from apps.history.types import SampleBatch

MINUTE_MS = 60_000
LATEST_MS = 4_102_444_800_000
"""The year 2100."""


def batch_samples(batch: SampleBatch) -> Samples:
    """A batch, checked, in order of time, without repetitions. Raises SamplesWrong."""
    metrics = KINDS.get(batch.kind)
    if metrics is None:
        raise SamplesWrong(f"There is no kind {batch.kind!r}; there are {', '.join(KINDS)}.")
    if batch.subject_kind not in SUBJECT_KINDS:
        known = ", ".join(SUBJECT_KINDS)
        raise SamplesWrong(
            f"There is no kind of subject {batch.subject_kind!r}; there are {known}."
        )
    count = len(batch.times_ms)
    names = {metric.name for metric in metrics}
    for name, values in batch.columns.items():
        if name not in names:
            raise SamplesWrong(f"{batch.kind!r} has no metric {name!r}.")
        if len(values) != count:
            raise SamplesWrong(
                f"{batch.kind}.{name} of {batch.subject_key} has {len(values)} values "
                f"for {count} times."
            )
    if batch.event_ids is not None and len(batch.event_ids) != count:
        raise SamplesWrong(f"{batch.subject_key} has {len(batch.event_ids)} event ids for {count}.")
    columns = tuple(
        column_of(batch.columns[metric.name], metric.scale)
        if metric.name in batch.columns
        else None
        for metric in metrics
    )
    samples = Samples(
        _times(batch.times_ms), _event_ids(batch.event_ids), _boots(batch.boot, count), columns
    )
    return _in_order(samples, metrics)


def _times(times_ms: Sequence[int]) -> npt.NDArray[np.int64]:
    column = column_of(times_ms, 1)
    if column is None:
        return np.zeros(0, np.int64)
    times = column.values
    if column.present is not None or times.dtype != np.int64:
        raise SamplesWrong("Times must be whole milliseconds since 1970.")
    if int(times.min()) < 0 or int(times.max()) >= LATEST_MS:
        raise SamplesWrong("Times must lie in the years 1970 to 2099, in milliseconds since 1970.")
    return times


def _event_ids(event_ids: Sequence[int] | None) -> Column | None:
    column = None if event_ids is None else column_of(event_ids, 1)
    if column is not None and column.values.dtype.kind not in "iu":
        raise SamplesWrong("Event ids must be whole numbers of 64 bits.")
    return column


def _boots(boot: int | None, count: int) -> Column | None:
    if boot is None or not count:
        return None
    if not -(2**63) <= boot < 2**63:
        raise SamplesWrong(f"The boot number {boot} has more than 64 bits (signed).")
    return Column(np.full(count, boot, np.int64))


def samples_join(parts: Sequence[Samples], metrics: Sequence[Metric]) -> Samples:
    """All samples of the parts, in order of time, each once."""
    if len(parts) == 1:
        return parts[0]
    counts = [part.count for part in parts]
    padded = [_padded(part.columns, len(metrics)) for part in parts]
    joined = Samples(
        np.concatenate([part.times_ms for part in parts]),
        columns_join([part.event_ids for part in parts], counts, 1),
        columns_join([part.boots for part in parts], counts, 1),
        tuple(
            columns_join([columns[place] for columns in padded], counts, metric.scale)
            for place, metric in enumerate(metrics)
        ),
    )
    return _in_order(joined, metrics)


def _padded(columns: tuple[Column | None, ...], length: int) -> tuple[Column | None, ...]:
    """Blocks written before the catalogue grew have fewer columns."""
    return columns + (None,) * (length - len(columns))


def _in_order(samples: Samples, metrics: Sequence[Metric]) -> Samples:
    times = samples.times_ms
    if times.size < 2:
        return samples
    ids = samples.event_ids
    plain = ids is None or ids.present is None
    if plain and (np.diff(times) > 0).all():
        if ids is None or (np.diff(ids.values) > 0).all():
            return samples
        if np.unique(ids.values).size == times.size:
            return samples
    return samples_take(samples, _kept(samples, metrics))


def samples_take(samples: Samples, places: npt.NDArray[np.intp]) -> Samples:
    """These samples, in this order."""
    return Samples(
        samples.times_ms[places],
        column_take(samples.event_ids, places),
        column_take(samples.boots, places),
        tuple(column_take(column, places) for column in samples.columns),
    )


def _kept(samples: Samples, metrics: Sequence[Metric]) -> npt.NDArray[np.intp]:
    """Places of the samples to keep, in order. Of two with one identity but other figures
    the one that sorts last stays, so that the order in which they came does not matter."""
    count = samples.count
    times = samples.times_ms.tolist()
    boots = column_values(samples.boots, count, 1)
    ids = column_values(samples.event_ids, count, 1)
    values = [
        column_values(column, count, metric.scale)
        for column, metric in zip(samples.columns, metrics, strict=False)
    ]
    best: dict[Hashable, tuple[tuple[int, str], int]] = {}
    for place in range(count):
        event = ids[place]
        # An event id names a sample within its minute, in which this one was looked for.
        name = (
            boots[place],
            event,
            times[place] // MINUTE_MS if event is not None else times[place],
        )
        rank = (times[place], repr([column[place] for column in values]))
        if name not in best or rank > best[name][0]:
            best[name] = (rank, place)
    order = sorted(
        (place for _, place in best.values()),
        key=lambda place: (times[place], boots[place] or 0, ids[place] or 0, place),
    )
    return np.array(order, np.intp)


def samples_by_minute(samples: Samples) -> dict[int, Samples]:
    """Unix minute → its samples."""
    if not samples.count:
        return {}
    minutes = samples.times_ms // MINUTE_MS
    first, last = int(minutes[0]), int(minutes[-1])
    if first == last:
        return {first: samples}
    starts = np.flatnonzero(np.diff(minutes, prepend=first - 1))
    ends = [*starts[1:].tolist(), samples.count]
    return {
        int(minutes[start]): samples_take(samples, np.arange(start, end))
        for start, end in zip(starts.tolist(), ends, strict=True)
    }


def samples_between(samples: Samples, start_ms: int, end_ms: int) -> Samples | None:
    """Samples from `start_ms` up to but not including `end_ms`; ``None`` when there are none."""
    low, high = np.searchsorted(samples.times_ms, (start_ms, end_ms))
    if low == high:
        return None
    if low == 0 and high == samples.count:
        return samples
    return samples_take(samples, np.arange(low, high))


def samples_as_known(samples: Samples, length: int) -> Samples:
    """With a place for each metric of today's catalogue."""
    if len(samples.columns) == length:
        return samples
    return replace(samples, columns=_padded(samples.columns, length))
