"""The whole portal on four real nodes: its API, its Celery worker, a real sshd, `clio_run`."""

from __future__ import annotations

import json
import shlex
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.local_cluster import LocalCluster, LocalNode
from tests.control.sshd import Sshd
from tests.platform.single import SinglePortal
from tests.runtimes import NICENESS

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(900)]
PATIENCE_S = 180.0
NODES = 4


@dataclass
class Desk:
    """A script with a token of the scope operate, and the machines' own view of the nodes."""

    url: str
    token: str
    cluster: LocalCluster
    access: Path
    database: Path

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        request = urllib.request.Request(  # noqa: S310 - http
            self.url.rstrip("/") + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Token {self.token}",
                **({} if body is None else {"Content-Type": "application/json"}),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310
                return int(answer.status), json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def get(self, path: str) -> Any:
        status, body = self.ask("GET", path)
        assert status in (200, 503), (path, status, body)
        return body

    def do(self, node_id: int, action: str, **body: object) -> dict[str, Any]:
        """One action, to its end."""
        given = {"reason": "a test", **body}
        status, answer = self.ask("POST", f"/api/topology/node/{node_id}/{action}?wait=60", given)
        assert status in (200, 202, 502), (status, answer)
        return self.job(answer["job"])

    def job(self, pk: int) -> dict[str, Any]:
        """At its end."""
        self.until(lambda: self.get(f"/api/jobs/{pk}")["finished_at"] is not None)
        found: dict[str, Any] = self.get(f"/api/jobs/{pk}")
        return found

    def roll(self, **order: object) -> int:
        given = {"action": "restart", "nodes": "all", "reason": "kernel update", **order}
        status, answer = self.ask("POST", "/api/batches", given)
        assert status == 202, answer
        return int(answer["batch"])

    def batch(self, pk: int) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/api/batches/{pk}")
        return found

    def batch_end(self, pk: int) -> dict[str, Any]:
        self.until(lambda: self.batch(pk)["finished_at"] is not None)
        return self.batch(pk)

    def turns(self, pk: int) -> list[str]:
        return [node["status"] for node in self.batch(pk)["nodes"]]

    def state(self, node_id: int) -> str:
        return str(self.get("/api/topology")["nodes"][node_id]["state"])

    def until(self, holds: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < give_up_at, "it did not come about"
            time.sleep(0.1)

    def node(self, node_id: int) -> LocalNode:
        return self.cluster.nodes[node_id]

    def ready(self, *node_ids: int) -> None:
        """It answers as the job saw it; what it composes may take a moment longer."""
        for node_id in node_ids:
            self.until(self.node(node_id).is_ready)

    def heal(self) -> None:
        """Every node runs; one that runs is not touched."""
        access_write(self.access, self.cluster)
        for batch in self.get("/api/batches")["batches"]:
            if batch["finished_at"] is None:
                self.ask("POST", f"/api/batches/{batch['batch']}/cancel")
        for job in self.get("/api/jobs?status=active")["jobs"]:
            self.job(job["job"])
        for node in self.cluster.nodes:
            if not node.is_ready():
                node.start()
            self.until(lambda node_id=node.node_id: self.state(node_id) == "alive")  # type: ignore[misc]


def access_write(path: Path, cluster: LocalCluster, **of_nodes: dict[str, str]) -> None:
    content = yaml.safe_load(ACCESS[path])
    content["nodes"] = {name.removeprefix("node"): part for name, part in of_nodes.items()}
    path.write_text(yaml.safe_dump(content))


ACCESS: dict[Path, str] = {}
CLIO_RUN = """#!/bin/sh
exec chrt --batch 0 nice -n {niceness} {clio_run} "$@"
"""


def clio_run_niced(directory: Path, cluster: LocalCluster) -> Path:
    """What jobs start yields to the tests' own work, as the cluster's first nodes do."""
    script = directory / "clio_run"
    clio_run = shlex.quote(str(cluster.nodes[0].clio_run))
    script.write_text(CLIO_RUN.format(niceness=NICENESS, clio_run=clio_run))
    script.chmod(0o755)
    return script


@pytest.fixture(scope="module")
def running(
    _cluster4_of_module: LocalCluster, sshd: Sshd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    cluster = _cluster4_of_module
    directory = tmp_path_factory.mktemp("portal")
    access = cluster.access_file_write()
    content = yaml.safe_load(access.read_text())
    content["defaults"] |= {
        "clio_run": str(clio_run_niced(directory, cluster)),
        "method": "ssh",
        "port": sshd.port,
        "user": sshd.user,
        "key_file": str(sshd.client_key),
    }
    ACCESS[access] = yaml.safe_dump(content)
    access_write(access, cluster)
    given = {
        "CLIO_SERVER_CONF": str(cluster.config),
        "CLIO_PORTAL_ACCESS_FILE": str(access),
        "CLIO_PORTAL_POLL_SYSTEM_S": "1",
    }
    with SinglePortal(directory, given=given) as portal:
        account = ("--username", "bot", "--role", "administrator", "--service")
        said = portal.manage(
            "portal_account", *account, "--token-name", "t", "--token-scope", "operate", "--json"
        )
        database = directory / "portal.sqlite3"
        desk = Desk(portal.url, said["token"], cluster, access, database)
        desk.until(lambda: len(desk.get("/api/topology").get("nodes", [])) == NODES)
        yield desk


@pytest.fixture
def desk(running: Desk) -> Desk:
    running.heal()
    return running


def phases(job: dict[str, Any]) -> list[str]:
    return [check["phase"] for check in job["checks"] if check["reached"]]


def test_every_action_on_a_node(desk: Desk) -> None:
    """Status, shutdown, start, restart; each outcome is what the machine itself says."""
    status = desk.do(3, "status")
    assert (status["status"], status["returncode"]) == ("succeeded", 0)

    down = desk.do(3, "shutdown")
    assert (down["status"], phases(down)) == ("succeeded", ["down"]), down
    assert down["returncode"] in (0, 134)
    assert not desk.node(3).is_ready()
    desk.until(lambda: desk.state(3) == "down")
    assert [desk.state(node_id) for node_id in range(3)] == ["alive"] * 3

    again = desk.do(3, "shutdown")
    assert (again["status"], again["outcome_code"]) == ("failed", "not_running")
    stopped = desk.do(3, "status")
    assert (stopped["status"], stopped["returncode"]) == ("succeeded", 1)

    up = desk.do(3, "start")
    assert (up["status"], phases(up)) == ("succeeded", ["answers"]), up
    desk.ready(3)
    desk.until(lambda: desk.state(3) == "alive")
    twice = desk.do(3, "start")
    assert (twice["status"], twice["outcome_code"]) == ("failed", "already_running")

    fresh = desk.do(3, "restart")
    assert (fresh["status"], phases(fresh)) == ("succeeded", ["down", "answers"]), fresh
    assert fresh["boot_before"] != fresh["boot_after"]
    desk.ready(3)


def test_a_job_begins_with_its_first_message(desk: Desk) -> None:
    """It goes from the web server's process to the one that runs jobs. One that gets lost is sent
    again after half a minute, and counted.
    """
    job = desk.do(3, "status")["job"]
    query = "SELECT dispatch_count FROM control_controljob WHERE id = ?"
    with closing(sqlite3.connect(f"file:{desk.database}?mode=ro", uri=True)) as database:
        assert database.execute(query, [job]).fetchall() == [(1,)]


def test_the_leader_and_its_answer_to_a_documented_script(desk: Desk) -> None:
    """A POST without a body, as the documented scripts send it."""
    status, answer = desk.ask("POST", "/api/topology/node/0/restart?wait=60")
    assert (status, answer["success"], answer["returncode"]) == (200, True, 0), answer
    desk.ready(0)


def test_the_host_key_is_new_once_and_in_the_trail(desk: Desk) -> None:
    jobs = [desk.do(2, "status"), desk.do(2, "status")]
    events = desk.get("/api/audit?action=job.succeeded&limit=500")["events"]
    new = [event["after"]["host_key_new"] for event in reversed(events)]
    prints = {event["after"]["host_key_fingerprint"] for event in events}
    assert new == [True] + [False] * (len(new) - 1)
    assert len(prints) == 1
    assert jobs[0]["host_key_fingerprint"].startswith("SHA256:")
    assert prints == {jobs[1]["host_key_fingerprint"]}


def spans(desk: Desk, batch: int) -> list[tuple[datetime, datetime, int]]:
    """(begun, ended, node) of each job of a batch."""
    jobs = desk.get(f"/api/jobs?batch={batch}&limit=500")["jobs"]
    return sorted(
        (
            datetime.fromisoformat(job["started_at"]),
            datetime.fromisoformat(job["finished_at"]),
            job["node_id"],
        )
        for job in jobs
    )


def test_a_rolling_restart_of_the_whole_cluster(desk: Desk) -> None:
    """One at a time: the next node begins after the one before was seen as a new process."""
    batch = desk.batch_end(desk.roll(size=1))
    assert (batch["status"], batch["outcome"]) == ("succeeded", "4 of 4 nodes are done."), batch
    order = spans(desk, batch["batch"])
    assert [node for _, _, node in order] == [0, 1, 2, 3]
    for (_, ended, _), (begun, _, _) in pairwise(order):
        assert ended <= begun
    for job in desk.get(f"/api/jobs?batch={batch['batch']}")["jobs"]:
        assert job["status"] == "succeeded"
        assert job["boot_before"] != job["boot_after"]
    desk.ready(*range(NODES))


def test_two_at_a_time(desk: Desk) -> None:
    batch = desk.batch_end(desk.roll(size=2))
    assert batch["status"] == "succeeded", batch
    moments = spans(desk, batch["batch"])
    for begun, _, _ in moments:
        assert sum(1 for first, last, _ in moments if first <= begun < last) <= 2
    desk.ready(*range(NODES))


def test_a_bulk_shutdown_and_a_bulk_start(desk: Desk) -> None:
    down = desk.batch_end(desk.roll(action="shutdown", nodes="1-3", size=0))
    assert down["status"] == "succeeded", down
    assert [node.is_ready() for node in desk.cluster.nodes] == [True, False, False, False]
    up = desk.batch_end(desk.roll(action="start", nodes="1-3", size=0))
    assert up["status"] == "succeeded", up
    desk.ready(*range(NODES))


def test_a_failure_stops_it_and_the_nodes_behind_are_not_touched(desk: Desk) -> None:
    access_write(desk.access, desk.cluster, node1={"clio_run": "/nowhere/clio_run"})
    batch = desk.batch_end(desk.roll(size=1))
    assert batch["status"] == "failed"
    assert [node["status"] for node in batch["nodes"]] == [
        "succeeded",
        "failed",
        "skipped",
        "skipped",
    ]
    failed = desk.job(batch["nodes"][1]["job"])
    assert failed["outcome_code"] == "clio_run_not_found"
    desk.ready(*range(NODES))


def test_pause_resume_and_cancel(desk: Desk) -> None:
    number = desk.roll(size=1)
    assert desk.ask("POST", f"/api/batches/{number}/pause")[0] == 200
    desk.until(lambda: desk.turns(number)[0] == "succeeded")
    assert desk.turns(number) == ["succeeded", "waiting", "waiting", "waiting"]
    assert desk.ask("POST", f"/api/batches/{number}/pause")[0] == 409
    assert desk.ask("POST", f"/api/batches/{number}/resume")[0] == 200
    desk.until(lambda: desk.turns(number)[1] == "succeeded")
    assert desk.ask("POST", f"/api/batches/{number}/cancel")[0] == 200
    batch = desk.batch(number)
    assert batch["status"] == "canceled"
    assert batch["nodes"][3]["status"] == "skipped"
    for node in batch["nodes"]:
        if node["job"]:
            desk.job(node["job"])
    assert desk.ask("POST", f"/api/batches/{number}/resume")[0] == 409
