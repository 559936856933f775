"""How one audit row is tied to the next: a SHA-256 over its content and its forerunner's hash."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from typing import Any

from apps.audit.models import AuditEvent

GENESIS_HASH = "0" * 64
"""What the first row of a trail names as its forerunner."""

_CHAINED_FIELDS = (
    "number",
    "action",
    "outcome",
    "actor_id",
    "actor_name",
    "address",
    "request_id",
    "user_agent",
    "target_kind",
    "target_id",
    "target_name",
    "reason",
    "before",
    "after",
    "job_id",
    "previous_hash",
)


def event_hash(event: AuditEvent) -> str:
    """Hex SHA-256 of the row's canonical JSON (keys sorted, times in UTC to the microsecond)."""
    content: dict[str, Any] = {name: getattr(event, name) for name in _CHAINED_FIELDS}
    content["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
