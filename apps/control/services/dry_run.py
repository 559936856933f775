"""What an action would do, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.control.access import access_of, step_command
from apps.control.actions import action_get
from apps.control.models import ControlJob
from apps.control.remote.run import dry_run
from apps.control.remote.types import DryRun
from apps.control.warnings import warnings_of
from apps.nodes.models import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The commands in their order, what to confirm, and the job that stands in the way."""

    commands: list[DryRun]
    warnings: list[str]
    busy_with: ControlJob | None


def control_job_rehearse(*, node: Node, action: str, at: datetime) -> Rehearsal:
    """Connects to nothing and writes nothing. Raises ActionUnknown, and RemoteFailure when
    the settings make no way to the node."""
    wanted = action_get(action)
    access = access_of(node)
    node_ids = [] if node.node_id is None else [node.node_id]
    return Rehearsal(
        commands=[
            dry_run(access, step_command(step, access), deadline_s=step.time_limit_s)
            for step in wanted.steps
        ],
        warnings=warnings_of(node.cluster, wanted, node_ids=node_ids, at=at),
        busy_with=ControlJob.objects.active().filter(node=node).first(),
    )
