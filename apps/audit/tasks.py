"""What Celery beat calls."""

from __future__ import annotations

from celery import shared_task

from apps.audit.retention import audit_retention_by_settings
from apps.common.time import utc_now


@shared_task
def audit_retention_task() -> None:
    """Let events go that are older than is kept."""
    audit_retention_by_settings(at=utc_now())
