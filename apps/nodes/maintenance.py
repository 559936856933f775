"""Keeping a node out of service: by whom, why, until when. On the record."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.audit.services import Actor, AuditTarget, audit_record
from apps.cluster.services import cluster_touch
from apps.common.errors import PortalError
from apps.nodes.models import Maintenance, Node


class MaintenanceInvalid(PortalError):
    def __init__(self, message: str) -> None:
        super().__init__(message, code="maintenance_invalid", status=400)


def maintenance_begin(
    node: Node, *, actor: Actor, reason: str, until: datetime | None, at: datetime
) -> Maintenance:
    """Begin it, or change the reason or end of one that is there. Raises MaintenanceInvalid."""
    if not reason.strip():
        raise MaintenanceInvalid("Say why the node is kept out of service.")
    if until is not None and until <= at:
        raise MaintenanceInvalid("Its end must lie in the future.")
    with transaction.atomic():
        Node.objects.select_for_update().get(pk=node.pk)
        kept = maintenance_of(node, at=at)
        row, _ = Maintenance.objects.update_or_create(
            node=node,
            defaults={
                "by_name": actor.name,
                "reason": reason.strip(),
                "since": kept.since if kept else at,
                "until": until,
            },
        )
        audit_record(
            action="node.maintenance_change" if kept else "node.maintenance_begin",
            actor=actor,
            target=_target(node),
            reason=row.reason,
            before=_fields(kept),
            after=_fields(row),
            at=at,
        )
        cluster_touch(node.cluster)
    return row


def maintenance_end(node: Node, *, actor: Actor, at: datetime) -> bool:
    """The node is in service again. False: it was already."""
    with transaction.atomic():
        Node.objects.select_for_update().get(pk=node.pk)
        kept = maintenance_of(node, at=at)
        Maintenance.objects.filter(node=node).delete()
        if kept is None:
            return False
        audit_record(
            action="node.maintenance_end",
            actor=actor,
            target=_target(node),
            reason=kept.reason,
            before=_fields(kept),
            at=at,
        )
        cluster_touch(node.cluster)
    return True


def maintenance_of(node: Node, *, at: datetime) -> Maintenance | None:
    """As long as its time is not over."""
    row: Maintenance | None = Maintenance.objects.filter(node=node).first()
    over = row is not None and row.until is not None and row.until <= at
    return None if over else row


def nodes_in_maintenance(*, at: datetime) -> frozenset[int]:
    """Primary keys of the nodes that are kept out of service now. One query."""
    rows = Maintenance.objects.exclude(until__lte=at)
    return frozenset(rows.values_list("node_id", flat=True))


def _target(node: Node) -> AuditTarget:
    number = "" if node.node_id is None else str(node.node_id)
    return AuditTarget("node", number, node.address)


def _fields(row: Maintenance | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "by": row.by_name,
        "reason": row.reason,
        "since": row.since.isoformat(),
        "until": row.until.isoformat() if row.until else None,
    }
