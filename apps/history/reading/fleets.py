"""Many series → one curve."""

from __future__ import annotations

import numpy as np

from apps.history.metrics import Metric
from apps.history.reading.curves import Matrix
from apps.history.types import FleetCurve, Floats


def fleet_curve(metric: Metric, matrix: Matrix) -> FleetCurve:
    """Over the lines of a matrix, bucket by bucket; NaN where no line has a value."""
    averages = matrix.average
    known = ~np.isnan(averages)
    subjects = known.sum(axis=0)
    none = subjects == 0
    total = np.where(none, np.nan, np.where(known, averages, 0.0).sum(axis=0))
    lowest = np.where(known, matrix.minimum, np.inf).min(axis=0, initial=np.inf)
    highest = np.where(known, matrix.maximum, -np.inf).max(axis=0, initial=-np.inf)
    return FleetCurve(
        metric=metric,
        minimum=np.where(none, np.nan, lowest),
        average=total / np.maximum(subjects, 1),
        maximum=np.where(none, np.nan, highest),
        p95=percentile(averages, 0.95),
        total=total,
        subjects=subjects.astype(np.int64),
    )


def percentile(values: Floats, share: float) -> Floats:
    """Per column, over the values that there are, between neighbours in proportion."""
    if not values.shape[0]:
        return np.full(values.shape[1], np.nan)
    ordered = np.sort(values, axis=0)  # NaN last
    count = (~np.isnan(values)).sum(axis=0)
    place = share * np.maximum(count - 1, 0)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    columns = np.arange(values.shape[1])
    below, above = ordered[low, columns], ordered[high, columns]
    return np.where(count > 0, below + (above - below) * (place - low), np.nan)
