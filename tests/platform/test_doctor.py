"""`manage.py doctor`: what it finds, what it says to do, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import override_settings

from apps.cluster.models import Cluster
from apps.collector.services import config_watch
from apps.common.time import utc_now
from apps.runtime.simulated import Fault, SimOptions, SimulatedCluster
from clio_portal.doctor import nodes
from demo.local_cluster import LocalCluster
from tests.factories import AT, node_make

pytestmark = pytest.mark.django_db
Findings = list[dict[str, Any]]


def doctor(*arguments: str) -> tuple[int, Findings]:
    out = StringIO()
    code = 0
    try:
        call_command("doctor", "--json", *arguments, stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def levels(findings: Findings, check: str) -> list[str]:
    return [one["level"] for one in findings if one["check"] == check]


def of_node(findings: Findings, node_id: int, check: str) -> dict[str, Any]:
    (found,) = [
        one
        for one in findings
        if one["node"].startswith(f"node {node_id} ") and one["check"] == check
    ]
    return found


@pytest.fixture
def polled() -> Cluster:
    return Cluster.objects.create(name="c", created_at=AT, polled_at=utc_now())


@pytest.fixture
def simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, polled: Cluster
) -> Iterator[SimulatedCluster]:
    with SimulatedCluster(SimOptions(nodes=3, port=0)) as cluster:
        hosts = [cluster.target(number) for number in range(3)]
        hostfile = tmp_path / "hostfile"
        hostfile.write_text("".join(f"{one.host}:{one.port}\n" for one in hosts))
        config = tmp_path / "clio.yaml"
        config.write_text(yaml.safe_dump({"networking": {"hostfile": str(hostfile)}}))
        monkeypatch.setenv("CLIO_SERVER_CONF", str(config))
        yield cluster


def test_a_healthy_cluster(simulated: SimulatedCluster) -> None:
    code, findings = doctor()
    assert [one for one in findings if one["level"] == "problem"] == []
    assert code == 0
    for node_id in range(3):
        found = of_node(findings, node_id, "answers")
        assert found["level"] == "ok"
        assert "Wire generation 2.3; it dials back to 127.0.0.1:" in found["text"]
        assert of_node(findings, node_id, "clock")["level"] == "ok"
    assert levels(findings, "host list") == ["ok"]
    # No node is known to the database yet, so nothing is known of the way onto it.
    assert levels(findings, "access") == []


def test_each_fault_is_named_with_what_to_do(
    simulated: SimulatedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "ANSWER_S", 6.0)
    simulated.node(0).fault(Fault.REFUSES)
    simulated.node(1).fault(Fault.CLOCK_SKEW, seconds=90.0)
    simulated.node(2).fault(Fault.SILENT)
    code, findings = doctor()
    assert code == 1
    closed = of_node(findings, 0, "ports")
    assert closed["level"] == "problem"
    assert "clio_run status" in closed["remedy"]
    assert of_node(findings, 0, "answers")["level"] == "skipped"
    skewed = of_node(findings, 1, "clock")
    assert skewed["level"] == "warning"
    assert "ahead of the portal's" in skewed["text"]
    assert "NTP" in skewed["remedy"]
    silent = of_node(findings, 2, "answers")
    assert silent["level"] == "problem"
    assert silent["remedy"]


def test_only_some_nodes_and_none_at_all(simulated: SimulatedCluster) -> None:
    _, findings = doctor("--node", "2")
    assert {one["node"].split(" (")[0] for one in findings if one["node"]} == {"node 2"}
    code, findings = doctor("--no-nodes")
    assert code == 0
    assert [one for one in findings if one["node"]] == []


def test_a_wrong_host_list_is_noticed(simulated: SimulatedCluster, tmp_path: Path) -> None:
    hostfile = tmp_path / "hostfile"
    hostfile.write_text("".join(reversed(hostfile.read_text().splitlines(keepends=True))))
    code, findings = doctor()
    assert code == 1
    wrong = [one for one in findings if one["check"] == "answers" and one["level"] == "problem"]
    assert len(wrong) == 2
    assert "host file" in wrong[0]["remedy"]


def test_a_named_configuration_that_is_not_there(
    polled: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIO_SERVER_CONF", "/no/such/clio.yaml")
    code, findings = doctor()
    assert code == 1
    (found,) = [one for one in findings if one["check"] == "configuration"]
    assert found["level"] == "problem"
    assert "CLIO_SERVER_CONF" in found["text"]
    assert levels(findings, "nodes") == ["skipped"]


def test_what_the_portal_itself_lacks(simulated: SimulatedCluster) -> None:
    with override_settings(PORTAL_REDIS_URL="redis://127.0.0.1:1/0"):
        code, findings = doctor("--no-nodes")
    assert code == 1
    assert levels(findings, "broker") == ["problem"]
    assert levels(findings, "beat") == ["problem"]
    remedies = [one["remedy"] for one in findings if one["check"] in ("broker", "beat")]
    assert all(remedies)


def test_for_people_it_is_text_that_ends_with_a_count(simulated: SimulatedCluster) -> None:
    simulated.node(0).fault(Fault.REFUSES)
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("doctor", "--node", "0", stdout=out)
    assert end.value.code == 1
    text = out.getvalue()
    assert "FAIL  ports         node 0 " in text
    assert "→ Start the runtime there" in text
    assert text.rstrip().endswith("checks are well.")
    assert "1 problems" in text


# --- a real cluster


@pytest.fixture
def real(cluster4: LocalCluster, monkeypatch: pytest.MonkeyPatch, settings: Any) -> LocalCluster:
    monkeypatch.setenv("CLIO_SERVER_CONF", str(cluster4.config))
    settings.PORTAL_ACCESS_FILE = str(cluster4.access_file_write())
    config_watch(at=utc_now())
    Cluster.objects.update(polled_at=utc_now())
    return cluster4


@pytest.mark.runtime
def test_real_nodes_with_one_down_and_one_paused(
    real: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, findings = doctor()
    # Not the clocks: where nodes get no processor for seconds, they look as if they were behind.
    wrong = [one for one in findings if one["level"] in ("problem", "warning")]
    assert [one for one in wrong if one["check"] != "clock"] == []
    assert code == 0
    for node_id in range(4):
        assert "Wire generation 2.3; it dials back" in of_node(findings, node_id, "answers")["text"]
        assert of_node(findings, node_id, "access")["level"] == "ok"

    monkeypatch.setattr(nodes, "ANSWER_S", 6.0)
    real.nodes[3].stop()
    real.nodes[2].pause()
    code, findings = doctor()
    assert code == 1
    assert of_node(findings, 3, "ports")["level"] == "problem"
    assert of_node(findings, 2, "answers")["level"] == "problem"
    # Without harm to the others, and the way onto the machine is seen all the same.
    for node_id in (0, 1):
        assert of_node(findings, node_id, "answers")["level"] == "ok"
    assert of_node(findings, 3, "access")["level"] == "ok"


@pytest.mark.runtime
def test_a_wrong_path_of_clio_run_is_found_before_it_is_needed(
    real: LocalCluster, settings: Any, tmp_path: Path
) -> None:
    access = yaml.safe_load(Path(settings.PORTAL_ACCESS_FILE).read_text())
    access["defaults"]["clio_run"] = "/no/such/clio_run"
    path = tmp_path / "access.yaml"
    path.write_text(yaml.safe_dump(access))
    settings.PORTAL_ACCESS_FILE = str(path)
    code, findings = doctor("--node", "1")
    assert code == 1
    found = of_node(findings, 1, "access")
    assert found["level"] == "problem"
    assert "CLIO_PORTAL_CLIO_RUN" in found["remedy"]


def test_few_connections_left(simulated: SimulatedCluster, polled: Cluster) -> None:
    for number in range(3):
        target = simulated.target(number)
        node = node_make(polled, node_id=number, host=target.host, port=target.port)
        node.wire_generation, node.dialback_pairs_spent = "2.2", 499 + number
        node.save()
    _, findings = doctor()
    told = {one["node"][:6]: one for one in findings if one["check"] == "connections"}
    assert sorted(told) == ["node 1", "node 2"]
    assert told["node 2"]["level"] == "warning"
    assert "serves 499 more connections" in told["node 2"]["text"]
