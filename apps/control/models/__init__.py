"""The tables of control; each file of this package is one concern."""

from __future__ import annotations

from apps.control.models.access import ClusterAccess, NodeAccess
from apps.control.models.batches import BatchItem, BatchStatus, ItemStatus, JobBatch
from apps.control.models.jobs import (
    ACTIVE,
    BEGUN,
    FINAL,
    TRANSITIONS,
    ControlJob,
    JobCheck,
    JobLine,
    JobStatus,
    JobTransition,
)

__all__ = [
    "ACTIVE",
    "BEGUN",
    "FINAL",
    "TRANSITIONS",
    "BatchItem",
    "BatchStatus",
    "ClusterAccess",
    "ControlJob",
    "ItemStatus",
    "JobBatch",
    "JobCheck",
    "JobLine",
    "JobStatus",
    "JobTransition",
    "NodeAccess",
]
