"""Jobs and batches as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from apps.cluster.api.live import iso
from apps.control.errors import job_url
from apps.control.models import BatchItem, ControlJob, JobBatch, JobStatus
from apps.control.selectors import batch_counts, job_output


def job_fields(job: ControlJob) -> dict[str, Any]:
    """One job, without its output."""
    return {
        "job": job.pk,
        "url": job_url(job.pk),
        "action": job.action,
        "node_id": job.node_number,
        "node": job.node_name,
        "status": job.status,
        "requested_by": job.requested_by_name,
        "reason": job.reason,
        "parameters": job.parameters,
        "warnings": job.warnings,
        "address": job.address,
        "queued_at": iso(job.queued_at),
        "started_at": iso(job.started_at),
        "finished_at": iso(job.finished_at),
        "cancel_requested_at": iso(job.cancel_requested_at),
        "cancel_requested_by": job.cancel_requested_by,
        "outcome_code": job.outcome_code,
        "outcome": job.outcome,
        "remedy": job.remedy,
        "returncode": job.exit_code,
        "lines_total": job.lines_total,
        "truncated": job.truncated,
        "host_key_fingerprint": job.host_key_fingerprint,
        "host_key_new": job.host_key_new,
        "boot_before": job.boot_before,
        "boot_after": job.boot_after,
        "batch": job.batch_id,
    }


def job_detail(job: ControlJob) -> dict[str, Any]:
    """One job with the changes of its status and the looks at the node."""
    return {
        **job_fields(job),
        "transitions": [
            {
                "at": iso(row.at),
                "from": row.from_status or None,
                "to": row.to_status,
                "by": row.by,
                "note": row.note,
            }
            for row in job.transitions.all()
        ],
        "checks": [
            {
                "at": iso(row.at),
                "phase": row.phase,
                "found": row.found,
                "reached": row.reached,
                "boot": row.boot,
            }
            for row in job.checks.all()
        ],
    }


def job_result(job: ControlJob) -> dict[str, Any]:
    """The documented answer of shutdown and restart, with the job's additions.

    ``success`` is ``None`` while the job is not at its end.
    """
    output = job_output(job)
    succeeded = job.status == JobStatus.SUCCEEDED
    result: dict[str, Any] = {
        "success": succeeded if job.is_final else None,
        "returncode": job.exit_code,
        "stdout": output["stdout"],
        "stderr": output["stderr"],
        **{
            name: value
            for name, value in job_fields(job).items()
            if name not in ("returncode", "address")
        },
    }
    if job.is_final and not succeeded:
        # Where nothing was run there is no stderr: say there, too, what happened.
        result["stderr"] = output["stderr"] or f"{job.outcome}\n"
        result |= {"error": job.outcome, "code": job.outcome_code or job.status}
    return result


def batch_url(pk: int) -> str:
    return reverse("api-batch", args=[pk])


def batch_fields(batch: JobBatch, counts: Mapping[str, int]) -> dict[str, Any]:
    """One batch and how far it is; `counts` as of `batches_counts`."""
    return {
        "batch": batch.pk,
        "url": batch_url(batch.pk),
        "action": batch.action,
        "status": batch.status,
        "size": batch.size,
        "stop_on_failure": batch.stop_on_failure,
        "requested_by": batch.requested_by_name,
        "reason": batch.reason,
        "parameters": batch.parameters,
        "warnings": batch.warnings,
        "created_at": iso(batch.created_at),
        "finished_at": iso(batch.finished_at),
        "outcome": batch.outcome,
        "counts": dict(counts),
    }


def batch_detail(batch: JobBatch) -> dict[str, Any]:
    items = BatchItem.objects.filter(batch=batch).select_related("job")
    return {
        **batch_fields(batch, batch_counts(batch)),
        "nodes": [
            {
                "node_id": item.node_number,
                "status": item.job.status if item.job else item.status,
                "job": item.job_id,
                "url": job_url(item.job_id) if item.job_id else None,
                "note": item.note,
            }
            for item in items
        ],
    }
