"""The portal is killed with -9 while it watches real nodes: nothing is lost.

The runtimes keep their recent samples; a portal that comes back asks for what it missed.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from demo.local_cluster import LocalCluster
from tests.platform.single import Browser, SinglePortal

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(300)]

DOWN_S = 10
WITHIN_S = 90.0
NODES = range(4)


def wait_for(holds: Callable[[], bool], portal: SinglePortal) -> None:
    until = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < until, portal.text()[-3000:]
        time.sleep(0.5)


class Script:
    """Asks a portal for what its history has of a node."""

    def __init__(self, portal: SinglePortal, token: str) -> None:
        self.portal = portal
        self.token = token

    def get(self, path: str) -> Any:
        answer = Browser(self.portal.url).get(path, Authorization=f"Token {self.token}")
        return answer.json() if answer.status == 200 else {}

    def entries(self, node_id: int) -> list[dict[str, Any]]:
        found = self.get(f"/api/node/{node_id}/system_stats?from=-30m").get("entries", [])
        return list(found)

    def event_ids(self, node_id: int) -> list[int]:
        return [entry["event_id"] for entry in self.entries(node_id)]

    def newest(self, node_id: int) -> int:
        return max(self.event_ids(node_id), default=-1)


def test_killed_with_9_the_gap_closes_by_itself(cluster4: LocalCluster, tmp_path: Path) -> None:
    given = {"CLIO_SERVER_CONF": str(cluster4.config)}
    with SinglePortal(tmp_path, given=given) as portal:
        account = ("--username", "s", "--role", "viewer", "--token-name", "t", "--json")
        script = Script(portal, portal.manage("portal_account", *account)["token"])
        wait_for(lambda: all(len(script.event_ids(one)) > 5 for one in NODES), portal)
        first = {one: script.event_ids(one)[0] for one in NODES}
        last = {one: script.newest(one) for one in NODES}
        assert portal.stop(signal.SIGKILL) == -signal.SIGKILL
        time.sleep(DOWN_S)
        portal.start()
        # Once more, while it is busy with what it missed.
        assert portal.stop(signal.SIGKILL) == -signal.SIGKILL
        portal.start()
        gone_on = DOWN_S + 5
        wait_for(lambda: all(script.newest(one) > last[one] + gone_on for one in NODES), portal)
        for one in NODES:
            ids = script.event_ids(one)
            assert ids == list(range(first[one], ids[-1] + 1)), f"node {one}"
            times = [entry["wall_time_ns"] for entry in script.entries(one)]
            assert times == sorted(times)
        _no_gap_in_the_curve(script)


def _no_gap_in_the_curve(script: Script) -> None:
    """Where the nodes had samples, the curve has values: by five seconds, through the kills."""
    body = script.get("/api/history/series?nodes=all&metrics=system.ram_usage_pct&from=-10m&step=5")
    assert len(body["series"]) == len(NODES)
    for curve in body["series"]:
        known = [place for place, value in enumerate(curve["avg"]) if value is not None]
        assert known == list(range(known[0], known[-1] + 1)), curve["node"]
        newest = body["times"][known[-1]]
        assert newest > datetime.fromisoformat(body["to"]).timestamp() - 60
