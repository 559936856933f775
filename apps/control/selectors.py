"""Reads over control jobs and batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from apps.control.errors import BatchUnknown, JobUnknown
from apps.control.models import BatchItem, ControlJob, JobBatch, JobLine
from apps.nodes.models import Node

MAX_PK = 2**63 - 1
OUTPUT_MOST_LINES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to show; what is empty or ``None`` does not narrow."""

    status: tuple[str, ...] = ()
    action: str = ""
    node_id: int | None = None
    """The id that the node had at the launch."""
    actor: str = ""
    batch: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def jobs(wanted: JobFilter) -> QuerySet[ControlJob]:
    """Newest first."""
    chosen = Q()
    if wanted.status:
        chosen &= Q(status__in=wanted.status)
    if wanted.action:
        chosen &= Q(action=wanted.action)
    if wanted.node_id is not None:
        chosen &= Q(node_number=wanted.node_id)
    if wanted.actor:
        chosen &= Q(requested_by_name__icontains=wanted.actor)
    if wanted.batch is not None:
        chosen &= Q(batch_id=wanted.batch)
    if wanted.since is not None:
        chosen &= Q(queued_at__gte=wanted.since)
    if wanted.until is not None:
        chosen &= Q(queued_at__lt=wanted.until)
    return ControlJob.objects.filter(chosen).order_by("-pk")


def job_get(pk: int) -> ControlJob:
    """Raises JobUnknown (404)."""
    job: ControlJob | None = None
    if 0 < pk <= MAX_PK:
        job = ControlJob.objects.select_related("node", "cluster").filter(pk=pk).first()
    if job is None:
        raise JobUnknown(pk)
    return job


def job_lines(job: ControlJob, *, after: int = 0, limit: int = 1000) -> list[JobLine]:
    """Output lines with a number above `after`, in order, at most `limit`."""
    return list(JobLine.objects.filter(job=job, number__gt=after).order_by("number")[:limit])


def job_output(job: ControlJob) -> dict[str, str]:
    """``{"stdout", "stderr"}``: the output as two texts; the last lines of a very long one."""
    lines = list(
        JobLine.objects.filter(job=job)
        .order_by("-number")
        .values_list("stream", "text")[:OUTPUT_MOST_LINES]
    )
    texts: dict[str, list[str]] = {"stdout": [], "stderr": []}
    for stream, text in reversed(lines):
        texts.setdefault(stream, []).append(f"{text}\n")
    return {stream: "".join(parts) for stream, parts in texts.items()}


def jobs_active_by_node(*, node_pks: list[int] | None = None) -> dict[int, ControlJob]:
    """The job that a node is busy with, by the node's primary key. One query."""
    active = ControlJob.objects.active()
    if node_pks is not None:
        active = active.filter(node_id__in=node_pks)
    return {job.node_id: job for job in active}


def job_last(node: Node) -> ControlJob | None:
    """The newest job of a node: its reason is shown on the node's card."""
    newest: ControlJob | None = ControlJob.objects.filter(node=node).order_by("-pk").first()
    return newest


def batches() -> QuerySet[JobBatch]:
    """Newest first."""
    return JobBatch.objects.order_by("-pk")


def batch_get(pk: int) -> JobBatch:
    """Raises BatchUnknown (404)."""
    batch: JobBatch | None = None
    if 0 < pk <= MAX_PK:
        batch = JobBatch.objects.select_related("cluster").filter(pk=pk).first()
    if batch is None:
        raise BatchUnknown(pk)
    return batch


def batch_counts(batch: JobBatch) -> dict[str, int]:
    """Jobs of the batch by status, and ``waiting``/``skipped`` nodes. Two queries."""
    return batches_counts([batch])[batch.pk]


def batches_counts(listed: Sequence[JobBatch]) -> dict[int, dict[str, int]]:
    """The same for many, by the batch's number. Two queries, however many there are."""
    found: dict[int, dict[str, int]] = {batch.pk: {} for batch in listed}
    jobs_by = ControlJob.objects.filter(batch__in=found).values_list("batch", "status")
    items_by = BatchItem.objects.filter(batch__in=found).values_list("batch", "status")
    for pk, status, count in jobs_by.annotate(Count("pk")).order_by():
        found[pk][status] = count
    for pk, status, count in items_by.annotate(Count("pk")).order_by():
        if status != "launched":
            found[pk][status] = count
    return found
