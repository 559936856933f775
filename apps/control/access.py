"""Which way leads to a node's machine."""

from __future__ import annotations

from apps.control.actions import Step
from apps.control.remote.types import Access, Command
from apps.nodes.models import Node


def access_of(node: Node) -> Access:
    """The way to `node`, from its own setting, else the cluster's. Raises RemoteFailure."""
    raise NotImplementedError(node)


def step_command(step: Step, access: Access) -> Command:
    """The command of one step on that machine."""
    return Command(
        argv=[access.clio_run, step.word],
        env=dict(access.environment),
        detached=step.detached,
        log_path=access.log_path if step.detached else None,
    )
