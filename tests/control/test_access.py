"""Which settings make the way to a node: five levels, checked wherever they are read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from pytest_django import DjangoAssertNumQueries, Settings

from apps.cluster.models import Cluster
from apps.control.access import access_of, step_command
from apps.control.access_file import AccessFileWrong, access_file_read
from apps.control.access_parts import AccessPart, part_problems, parts_merge
from apps.control.actions import START, STOP
from apps.control.models import ClusterAccess, NodeAccess
from apps.control.remote.types import HostKeyPolicy, Method, RemoteFailure
from apps.nodes.models import Node

AT = datetime(2026, 1, 2, tzinfo=UTC)
FILE = """
defaults:
  user: clio
  clio_run: /opt/clio/bin/clio_run
  server_conf: /etc/clio/{host}-{port}.yaml
  environment: {CLIO_PROBE_SILENCE_S: 5}
  host_keys: off
nodes:
  3: {address: 10.1.0.3, port: 2222}
  "node3:9413": {user: special}
"""


@pytest.fixture
def node(db: None) -> Node:
    cluster = Cluster.objects.create(created_at=AT)
    return Node.objects.create(cluster=cluster, node_id=3, host="node3", port=9413, created_at=AT)


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    path = tmp_path / "access.yaml"
    path.write_text(FILE)
    settings.PORTAL_ACCESS_FILE = str(path)
    return path


def test_without_clio_run_the_failure_says_what_to_set(node: Node) -> None:
    with pytest.raises(RemoteFailure) as caught:
        access_of(node)
    assert caught.value.code == "access_not_set"
    assert "CLIO_PORTAL_CLIO_RUN" in (caught.value.remedy or "")


def test_the_settings_alone_are_enough(node: Node, settings: Settings) -> None:
    settings.PORTAL_CLIO_RUN = "/opt/clio_run"
    settings.PORTAL_NODE_STORAGE_ROOT = "/data/{node_id}"
    settings.PORTAL_SSH_JUMP = "ops@[2001:db8::1]:2200"
    settings.PORTAL_SSH_KEY_FILE = "/etc/key"
    access = access_of(node)
    assert (access.method, access.host, access.port) == (Method.SSH, "node3", 22)
    assert access.environment == {"CLIO_STORAGE_ROOT": "/data/3"}
    assert access.log_path == "/data/3/clio_run_start.log"
    assert access.host_key_policy is HostKeyPolicy.ACCEPT_NEW
    assert access.jump is not None
    assert (access.jump.user, access.jump.host, access.jump.port) == ("ops", "2001:db8::1", 2200)
    assert access.jump.key_file == access.key_file == Path("/etc/key")


def test_the_more_special_level_wins(node: Node, file: Path, settings: Settings) -> None:
    settings.PORTAL_SSH_USER = "everybody"
    access = access_of(node)
    assert (access.host, access.port, access.user) == ("10.1.0.3", 2222, "special")
    assert access.environment == {
        "CLIO_SERVER_CONF": "/etc/clio/node3-9413.yaml",
        "CLIO_PROBE_SILENCE_S": "5",
    }
    assert access.host_key_policy is HostKeyPolicy.OFF
    ClusterAccess.objects.create(
        cluster=node.cluster, user="cluster", clio_run="/cluster/clio_run", jump="gate"
    )
    access = access_of(node)
    assert (access.user, access.clio_run) == ("special", "/cluster/clio_run")
    assert access.jump is not None
    NodeAccess.objects.create(
        node=node,
        user="row",
        jump="none",
        key_file="agent",
        environment={"CLIO_SERVER_CONF": "/own.yaml"},
    )
    access = access_of(node)
    assert (access.user, access.jump, access.key_file) == ("row", None, None)
    assert access.environment["CLIO_SERVER_CONF"] == "/own.yaml"
    assert access.environment["CLIO_PROBE_SILENCE_S"] == "5"


def test_local_only_on_this_machine(node: Node, settings: Settings) -> None:
    settings.PORTAL_CLIO_RUN = "/opt/clio_run"
    settings.PORTAL_ACCESS_METHOD = "local"
    with pytest.raises(RemoteFailure) as caught:
        access_of(node)
    assert caught.value.code == "not_this_machine"
    Node.objects.update(host="127.0.0.1")
    assert access_of(Node.objects.get()).method is Method.LOCAL


def test_releases_before_2_2_are_told_in_their_words(node: Node, settings: Settings) -> None:
    settings.PORTAL_CLIO_RUN = "/opt/clio_run"
    settings.PORTAL_NODE_CONF = "/c.yaml"
    stop = step_command(STOP, access_of(node))
    assert stop.argv == ["/opt/clio_run", "stop"]
    assert stop.env == {"CLIO_SERVER_CONF": "/c.yaml", "CTP_LOG_LEVEL": "error"}
    node.wire_generation = "2.0"
    start = step_command(START, access_of(node))
    assert start.argv == ["/opt/clio_run", "runtime", "start"]
    assert start.env == {"CLIO_SERVER_CONF": "/c.yaml", "CHI_SERVER_CONF": "/c.yaml"}
    assert start.detached
    assert start.log_path == "~/.clio/clio_run_start.log"


def test_two_queries(
    node: Node, file: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        access_of(node)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a", "sections"),
        ("default: {}", "no section 'default'"),
        ("defaults: {usr: x}", "'usr'"),
        ("defaults: {port: 0}", "port: 0 must be"),
        ("defaults: {port: '22'}", "must be a whole number"),
        ("defaults: {user: 5}", "user: 5 must be text"),
        ("defaults: {method: telnet}", "must be ssh or local"),
        ("defaults: {clio_run: clio_run}", "full path"),
        ("nodes: [1]", "must map"),
        ("nodes: {3: {jump: 'a b'}}", "nodes: 3, jump"),
        ("defaults: {environment: {A: [1]}}", "must be text"),
        ("defaults: {environment: {A: true}}", "must be text"),
        ("defaults: {a: b", "can't be used"),
        ("\xff", "can't be used"),
    ],
)
def test_a_wrong_file_names_the_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "access.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(AccessFileWrong) as caught:
        access_file_read(path)
    assert says in caught.value.message
    assert caught.value.code == "access_file_wrong"


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AccessFileWrong, match="No such file"):
        access_file_read(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "-oProxyCommand=x"),
        ("address", "a b"),
        ("user", "-l"),
        ("user", "a@b"),
        ("jump", "-oProxyCommand=x"),
        ("jump", "u@-h"),
        ("jump", "h:99999"),
        ("key_file", "-----BEGIN OPENSSH PRIVATE KEY-----"),
        ("key_file", "id_ed25519"),
        ("clio_run", "clio_run"),
        ("log_path", "/a\nb"),
        ("host_keys", "no"),
        ("environment", {"A B": "x"}),
        ("environment", {"A": "x\ny"}),
        ("environment", {"DB_PASSWORD": "x"}),
        ("environment", {"CLIO_PORTAL_READ_ONLY": "x"}),
        ("environment", ["A"]),
    ],
)
def test_what_is_wrong_is_refused_at_its_field(node: Node, field: str, value: object) -> None:
    row = NodeAccess(node=node, **{field: value})
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    assert list(caught.value.message_dict) == [field]


def test_good_parts_have_no_problems() -> None:
    part = AccessPart(
        method="ssh",
        address="node3.example.org",
        port=22,
        user="clio",
        key_file="agent",
        jump="ops@gate:22",
        host_keys="strict",
        clio_run="/opt/{host}/clio_run",
        environment={"CTP_LOG_LEVEL": "info"},
    )
    assert part_problems(part) == {}
    assert parts_merge([part, AccessPart()]) == part
