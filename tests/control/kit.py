"""Jobs on a simulated cluster: the real client looks, a stand-in runs the commands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.cluster.models import Cluster
from apps.common.time import utc_now
from apps.control import actions
from apps.control.models import ControlJob
from apps.control.remote.types import (
    Access,
    Command,
    CommandResult,
    Line,
    Method,
    RemoteFailure,
)
from apps.control.services import Launched, Order, control_job_launch
from apps.control.services.run import Tools
from apps.nodes.models import Node
from apps.runtime.client import RuntimeClient
from apps.runtime.simulated import SimulatedCluster
from tests.accounts.people import person_make
from tests.factories import cluster_make, node_make

FINGERPRINT = "SHA256:abcdefghijklmnopqrstuvwxyz0123456789abcdefg"


def cluster_with_nodes(count: int = 4, **node: Any) -> Cluster:
    """Living nodes far from this machine, polled just now."""
    at = utc_now()
    cluster = cluster_make(at=at)
    for node_id in range(count):
        node_make(cluster, node_id=node_id, at=at, **node)
    return cluster


def cluster_of_sim(sim: SimulatedCluster) -> Cluster:
    """The simulated nodes as the collector would have stored them."""
    at = utc_now()
    cluster = cluster_make(at=at)
    for target in sim.targets():
        node_make(cluster, node_id=target.node_id, at=at, host=target.host, port=target.port)
    return cluster


def operator() -> User:
    found = User.objects.filter(username=Role.OPERATOR.value).first()
    return found or person_make(Role.OPERATOR)


def node_of(node_id: int) -> Node:
    return Node.objects.get(node_id=node_id)


def launch(node_id: int, action: str = "shutdown", **order: Any) -> Launched:
    """By an operator who says why, means it, and has just signed in."""
    given: dict[str, Any] = {"reason": "a test", "confirmed": True, "fresh": True, **order}
    return control_job_launch(
        node=node_of(node_id), user=operator(), order=Order(action=action, **given), at=utc_now()
    )


def fresh(job: ControlJob) -> ControlJob:
    return ControlJob.objects.get(pk=job.pk)


def access_fake(node: Node) -> Access:
    return Access(
        name=f"{node.node_id}",
        method=Method.LOCAL,
        clio_run="/opt/clio/bin/clio_run",
        log_path="/l",
    )


Effect = Callable[[int, str], None]


@dataclass
class Machines:
    """Stands in for the nodes' machines. Does to the simulated nodes what the commands would."""

    sim: SimulatedCluster | None = None
    exit_codes: dict[str, int | None] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    failure: RemoteFailure | None = None
    idle: bool = False
    """Commands end well and do nothing."""
    before: Callable[[str, threading.Event], object] | None = None
    """Called in place of the command's own time: may wait, or fail."""
    ran: list[tuple[int, str]] = field(default_factory=list)

    def run(
        self,
        access: Access,
        command: Command,
        *,
        on_line: Callable[[Line], None],
        cancel: threading.Event,
        deadline_s: float,
    ) -> CommandResult:
        node_id, word = int(access.name), command.argv[-1]
        self.ran.append((node_id, word))
        if self.before is not None:
            self.before(word, cancel)
        if self.failure is not None:
            raise self.failure
        texts = self.lines.get(word, [f"{word} says so"])
        for number, text in enumerate(texts, start=1):
            on_line(Line(number, "stdout", text, utc_now()))
        if self.sim is not None and not self.idle:
            handle = self.sim.node(node_id)
            if word == "stop":
                handle.stop()
            elif word == "start":
                handle.restart()
        return CommandResult(
            exit_code=self.exit_codes.get(word, 0),
            host_key_fingerprint=FINGERPRINT,
            host_key_new=True,
            duration_s=0.1,
            lines_total=len(texts),
            truncated=False,
        )

    def tools(self, client: RuntimeClient) -> Tools:
        return Tools(run=self.run, access=access_fake, client=lambda: client, look_every_s=0.01)


def watch_shortly(monkeypatch: pytest.MonkeyPatch, *, limit_s: float = 1.0) -> None:
    """What is not seen soon is not seen at all: nobody waits a minute in a test."""
    quick = {
        name: replace(
            action, steps=tuple(replace(step, watch_limit_s=limit_s) for step in action.steps)
        )
        for name, action in actions.ACTIONS.items()
    }
    monkeypatch.setattr(actions, "ACTIONS", quick)
