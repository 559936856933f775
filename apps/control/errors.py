"""Why a job is not launched."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

from apps.common.errors import PortalError
from apps.control.models import ControlJob


def job_url(pk: int) -> str:
    return reverse("api-job", args=[pk])


class ReadOnly(PortalError):
    def __init__(self) -> None:
        super().__init__(
            "The portal is switched to read-only: nodes can't be controlled from here.",
            code="read_only",
            status=403,
            remedy="An administrator can unset CLIO_PORTAL_READ_ONLY.",
        )


class NotAllowed(PortalError):
    def __init__(self) -> None:
        super().__init__(
            "Your role does not allow this.",
            code="permission_denied",
            status=403,
            remedy="Ask an administrator of the portal for a role that does.",
        )


class ReasonMissing(PortalError):
    def __init__(self) -> None:
        super().__init__(
            "Say why: a reason is needed for this.",
            code="reason_needed",
            status=400,
            remedy='Send it as JSON: {"reason": "…"}.',
        )


class ConfirmNeeded(PortalError):
    """It hurts more than usual on this node; say that it is meant."""

    def __init__(self, warnings: Sequence[str]) -> None:
        super().__init__(
            " ".join(warnings),
            code="confirm_needed",
            status=409,
            remedy='If this is what you want, send it again with {"confirm": true}.',
            extra={"warnings": list(warnings)},
        )


class NodeBusy(PortalError):
    """One action per node at a time."""

    def __init__(self, job: ControlJob) -> None:
        super().__init__(
            f"Node {job.node_number} ({job.node_name}) is busy: {job.requested_by_name}'s "
            f"{job.action}, job {job.pk}, is {job.get_status_display()}.",
            code="node_busy",
            status=409,
            remedy="Wait for its end, or cancel it.",
            extra={"job": job.pk, "url": job_url(job.pk)},
        )


class IdempotencyReused(PortalError):
    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for another request.",
            code="idempotency_key_reused",
            status=422,
            remedy="Use a new key for each new request, the same only to repeat one.",
        )


class JobUnknown(PortalError):
    def __init__(self, pk: object) -> None:
        super().__init__(
            f"There is no job {pk}.",
            code="job_unknown",
            status=404,
            remedy="See /api/jobs for those that there are.",
        )


class JobOver(PortalError):
    def __init__(self, job: ControlJob) -> None:
        super().__init__(
            f"Job {job.pk} is over: it {_ended(job)}.",
            code="job_over",
            status=409,
            extra={"job": job.pk, "url": job_url(job.pk), "status": job.status},
        )


def _ended(job: ControlJob) -> str:
    return f"{'was' if job.status in ('canceled', 'lost') else 'has'} {job.get_status_display()}"


class BatchUnknown(PortalError):
    def __init__(self, pk: object) -> None:
        super().__init__(f"There is no batch {pk}.", code="batch_unknown", status=404)


class EventUnknown(PortalError):
    def __init__(self, number: str) -> None:
        super().__init__(
            f"There is no event {number[:40]!r} in the audit trail.",
            code="event_unknown",
            status=404,
            remedy="It may have left by retention, which is itself an event of the trail.",
        )


class BatchConflict(PortalError):
    """The batch is not in a state that allows this."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="batch_conflict", status=409)


class BatchInvalid(PortalError):
    def __init__(self, message: str) -> None:
        super().__init__(message, code="batch_invalid", status=400)
