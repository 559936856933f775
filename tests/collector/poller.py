"""Poll a cluster as the collector does, round by round, from a test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet

from apps.cluster.models import Cluster
from apps.cluster.services import cluster_ensure
from apps.collector.engine import Engine
from apps.collector.rounds import RoundResult, round_run
from apps.common.time import utc_now
from apps.nodes.models import FigureKind, LatestFigures, Node
from apps.nodes.services import nodes_sync
from apps.runtime.liveness import LivenessPolicy
from apps.runtime.types import Target
from apps.runtime.watch import Watch
from apps.runtime.wire.client import WireClient

QUICK = LivenessPolicy(
    suspect_after_s=0.4,
    hung_after_s=1.2,
    down_after_s=1.0,
    probe_after_s=0.1,
    probe_every_s=0.2,
)
"""Verdicts in seconds' fractions, for nodes that answer in milliseconds."""


class Poller:
    """An engine of its own on the real client, and the nodes that it polls."""

    def __init__(self, targets: Iterable[Target], *, policy: LivenessPolicy = QUICK) -> None:
        self.policy = policy
        self.engine = self._engine()
        self.targets = list(targets)
        nodes_sync(cluster_ensure(at=utc_now()), targets=self.targets, at=utc_now())

    def _engine(self) -> Engine:
        return Engine(WireClient(), watch=Watch(policy=self.policy))

    def new_process(self) -> None:
        """Go on as another process would: nothing remembered, new connections."""
        self.engine.close()
        self.engine = self._engine()

    def round(self, kind: str = FigureKind.SYSTEM) -> RoundResult:
        result = round_run(self.engine, kind=kind, at=utc_now())
        assert result is not None, "the round was skipped"
        return result

    def until(self, met: Callable[[], bool], *, within_s: float, every_s: float = 0.1) -> float:
        """Poll until `met`; returns how long it took. Fails with the states seen."""
        began = time.monotonic()
        while True:
            self.round()
            if met():
                return time.monotonic() - began
            if time.monotonic() - began > within_s:
                raise AssertionError(f"not within {within_s} s: {self.states()}")
            time.sleep(every_s)

    def all_fresh(self) -> Poller:
        """Poll until every node answers and has figures."""
        self.until(
            lambda: (
                set(self.states().values()) == {"alive"}
                and self.rows().exclude(figures=None).count() == len(self.targets)
            ),
            within_s=60,
        )
        return self

    def states(self) -> dict[int | None, str]:
        return dict(Node.objects.present().values_list("node_id", "state"))

    def state(self, node_id: int) -> str:
        return self.states()[node_id]

    def rows(self, kind: str = FigureKind.SYSTEM) -> QuerySet[LatestFigures]:
        return LatestFigures.objects.filter(kind=kind)

    def latest(self, node_id: int, kind: str = FigureKind.SYSTEM) -> Any:
        """A LatestFigures row, untyped: its figures are any JSON."""
        return LatestFigures.objects.get(node__node_id=node_id, kind=kind)

    def node(self, node_id: int) -> Node:
        return Node.objects.present().get(node_id=node_id)

    @property
    def cluster(self) -> Cluster:
        return Cluster.objects.get()
