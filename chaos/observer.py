"""Looks at the portal as people do, twice a second, and notes what can't be right."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chaos.stack import Answer, Stack

EVERY_S = 0.5
SEEN_WITHIN_S = 10.0
"""By then people must see that something is wrong."""
STALE_AFTER_S = 15.0
SLACK_S = 3.0


@dataclass(frozen=True, slots=True)
class Look:
    """What the topology route said."""

    at: float
    answer: Answer

    @property
    def nodes(self) -> dict[int, dict[str, Any]]:
        if self.answer.status != 200 or not isinstance(self.answer.body, dict):
            return {}
        return {node["node_id"]: node for node in self.answer.body["nodes"]}

    @property
    def is_right(self) -> bool:
        """Every node is alive, by figures that are fresh."""
        body = self.answer.body
        return (
            bool(self.nodes) and not body["stale"] and all(map(node_is_well, self.nodes.values()))
        )


def node_is_well(node: dict[str, Any]) -> bool:
    return node["state"] == "alive" and not node["stale"]


@dataclass(slots=True)
class Truth:
    """What the run did to the nodes, which the portal has to find out by itself."""

    dead_since: dict[int, float] = field(default_factory=dict)
    """Node id → since when (monotonic) it does not answer."""


class Observer:
    """A thread. `wrong` collects sentences; empty when all that was shown was right."""

    def __init__(self, stack: Stack, truth: Truth, *, node_count: int) -> None:
        self.stack, self.truth, self.node_count = stack, truth, node_count
        self.wrong: list[str] = []
        self.looks = 0
        self.latest: Look | None = None
        self._totals: dict[tuple[int, bool], int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            began = time.monotonic()
            dead = dict(self.truth.dead_since)
            look = Look(began, self.stack.get("/api/topology"))
            self.looks += 1
            for node_id, node in look.nodes.items():
                self._judge(node_id, node, silent_since=dead.get(node_id), at=began)
            if look.nodes and len(look.nodes) != self.node_count:
                self._note(f"{len(look.nodes)} nodes were shown instead of {self.node_count}")
            self.latest = look

    def _judge(
        self, node_id: int, node: dict[str, Any], *, silent_since: float | None, at: float
    ) -> None:
        if silent_since is not None and node_is_well(node):
            silent_s = at - silent_since
            if silent_s > SEEN_WITHIN_S + SLACK_S:
                self._note(f"node {node_id} was shown alive {silent_s:.0f} s after it fell silent")
        if not node["stale"] and (node["age_s"] or 0) > STALE_AFTER_S + SLACK_S:
            self._note(f"figures of node {node_id} of {node['age_s']:.0f} s ago passed for fresh")
        for name in ("cpu_usage_pct", "ram_usage_pct"):
            value = node[name]
            if value is not None and not 0 <= value <= 100:
                self._note(f"{name} of node {node_id} was {value}")
        total = node["ram_total_bytes"]
        # A simulated node in the place of a real one is another machine.
        machine = (node_id, node["is_simulated"])
        if total is not None and self._totals.setdefault(machine, total) != total:
            self._note(f"ram_total_bytes of node {node_id} was {total}")

    def _note(self, sentence: str) -> None:
        if len(self.wrong) < 20:
            self.wrong.append(sentence)

    def until(self, met: Callable[[Look], bool], *, within_s: float, what: str) -> float:
        """Seconds until a look that began after this call shows it. Raises TimeoutError."""
        began = time.monotonic()
        while True:
            look = self.latest
            if look is not None and look.at >= began and met(look):
                return time.monotonic() - began
            if time.monotonic() - began > within_s:
                shown = None if look is None else (look.answer.status, _short(look))
                raise TimeoutError(f"Not within {within_s:g} s: {what}. It shows {shown}")
            time.sleep(0.1)


def _short(look: Look) -> Any:
    states = {node_id: (node["state"], node["stale"]) for node_id, node in look.nodes.items()}
    return states or str(look.answer.body)[:200]
