"""The watched configuration: versions, problems, and what stays in force."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from apps.audit.models import AuditEvent
from apps.cluster.models import Cluster, ConfigStatus, ConfigVersion
from apps.cluster.selectors import config_view
from apps.cluster.services import (
    ConfigCheck,
    cluster_ensure,
    cluster_polled,
    config_check,
)
from apps.runtime.types import Target
from tests.factories import AT

pytestmark = pytest.mark.django_db
GOOD = "networking: {port: 9500}\n"


class Desk:
    """A configuration file that a test writes, and looks at second by second."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "clio.yaml"
        self.cluster = cluster_ensure(at=AT)
        self.at = AT
        self.env = {"CLIO_SERVER_CONF": str(self.path)}

    def look(self) -> ConfigCheck:
        self.at += timedelta(seconds=5)
        return config_check(self.cluster, at=self.at, env=self.env, home=self.directory)

    def write(self, text: str) -> ConfigCheck:
        self.path.write_text(text)
        return self.look()

    @property
    def status(self) -> ConfigStatus:
        return ConfigStatus.objects.select_related("current").get(cluster=self.cluster)

    @property
    def numbers(self) -> list[int]:
        return list(ConfigVersion.objects.order_by("number").values_list("number", flat=True))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_cluster_ensure_makes_one_and_keeps_it() -> None:
    assert cluster_ensure(at=AT) == cluster_ensure(at=AT + timedelta(days=1))
    assert Cluster.objects.get().created_at == AT


def test_the_first_look_stores_version_one(desk: Desk) -> None:
    check = desk.write(GOOD)
    assert check == ConfigCheck(targets=(Target(0, "127.0.0.1", 9500),), changed=True)
    version = ConfigVersion.objects.get()
    assert (version.number, version.config) == (1, {"networking": {"port": 9500}})
    assert version.read_at == desk.at
    assert version.hosts == ["127.0.0.1:9500"]


def test_an_unchanged_file_makes_no_version(desk: Desk) -> None:
    desk.write(GOOD)
    check = desk.look()
    assert not check.changed
    assert desk.numbers == [1]
    assert desk.status.checked_at == desk.at


def test_each_changed_content_is_a_version_also_when_it_returns(desk: Desk) -> None:
    desk.write(GOOD)
    desk.write("networking: {port: 9600}\n")
    desk.write(GOOD)
    assert desk.numbers == [1, 2, 3]
    assert desk.status.current == ConfigVersion.objects.get(number=3)


def test_a_changed_secret_alone_is_a_version(desk: Desk) -> None:
    desk.write("s3: {secret: one}\n")
    desk.write("s3: {secret: two}\n")
    one, two = ConfigVersion.objects.order_by("number")
    assert one.config == two.config == {"s3": {"secret": "••••••"}}


def test_a_changed_host_list_is_a_version(desk: Desk) -> None:
    hosts = desk.directory / "hosts"
    hosts.write_text("a\n")
    desk.write("networking: {hostfile: hosts}\n")
    hosts.write_text("a\nb\n")
    assert desk.look().changed
    assert ConfigVersion.objects.get(number=2).hosts == ["a:9413", "b:9413"]


def test_malformed_yaml_keeps_the_last_good_version(desk: Desk) -> None:
    desk.write(GOOD)
    check = desk.write("networking: [\n")
    assert check == ConfigCheck(targets=None, changed=True)
    status = desk.status
    assert status.error is not None
    assert (status.error["line"], status.error["column"]) == (2, 1)
    assert status.error["path"] == str(desk.path)
    assert status.error["remedy"]
    assert status.current is not None
    assert status.current.number == 1
    view = config_view(desk.cluster)
    assert view.config == {"networking": {"port": 9500}}
    assert view.error == status.error


def test_the_same_problem_again_is_no_change(desk: Desk) -> None:
    desk.write("networking: [\n")
    assert not desk.look().changed


def test_a_corrected_file_clears_the_error(desk: Desk) -> None:
    desk.write(GOOD)
    desk.write("networking: [\n")
    assert desk.write(GOOD).changed
    assert desk.status.error is None
    assert desk.numbers == [1], "the same content as before is the same version"


def test_a_bad_host_list_stores_the_config_and_keeps_the_nodes(desk: Desk) -> None:
    hosts = desk.directory / "hosts"
    hosts.write_text("a\n")
    desk.write("networking: {hostfile: hosts}\n")
    hosts.write_text("a\na\n")
    check = desk.write("networking: {hostfile: hosts}\nswim: {enabled: true}\n")
    assert check.targets is None
    version = ConfigVersion.objects.get(number=2)
    assert version.hosts == ["a:9413"]
    assert version.config["swim"] == {"enabled": True}
    assert desk.status.error is not None
    assert desk.status.error["line"] == 2


def test_a_config_file_that_appears_later_is_found(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.env = {}
    first = desk.look()
    assert first.targets == (Target(0, "127.0.0.1", 9413),)
    assert config_view(desk.cluster).config is None
    assert str(tmp_path / ".clio/clio.yaml") in desk.status.searched
    (tmp_path / ".clio").mkdir()
    (tmp_path / ".clio/clio.yaml").write_text(GOOD)
    assert desk.look().targets == (Target(0, "127.0.0.1", 9500),)


def test_a_config_file_that_vanishes_stays_in_force(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.env = {}
    (tmp_path / ".clio").mkdir()
    path = tmp_path / ".clio/clio.yaml"
    path.write_text(GOOD)
    desk.look()
    path.unlink()
    assert desk.look().targets is None, "the defaults would drop the whole cluster"
    assert desk.status.error is not None
    assert desk.status.error["code"] == "config_vanished"
    assert config_view(desk.cluster).config == {"networking": {"port": 9500}}


def test_legacy_flags_are_stored_with_the_version(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.env = {"CHI_SERVER_CONF": str(desk.path)}
    desk.write(GOOD)
    assert "CHI_SERVER_CONF" in ConfigVersion.objects.get().legacy[0]


def test_a_change_moves_the_cursor_of_live_pages(desk: Desk) -> None:
    desk.write(GOOD)
    before = Cluster.objects.get().poll_number
    desk.look()
    assert Cluster.objects.get().poll_number == before
    desk.write("networking: {port: 9600}\n")
    assert Cluster.objects.get().poll_number == before + 1


def test_config_view_has_a_fixed_number_of_queries(
    desk: Desk, django_assert_num_queries: object
) -> None:
    for port in range(9500, 9505):
        desk.write(f"networking: {{port: {port}}}\n")
    with django_assert_num_queries(2):  # type: ignore[operator]
        view = config_view(desk.cluster)
        assert [version.number for version in view.versions] == [5, 4, 3, 2, 1]
        assert view.version == 5


def test_the_heartbeat_keeps_the_time_of_the_last_change() -> None:
    cluster = cluster_ensure(at=AT)
    for seconds, connected, reason in [(0, False, "x"), (2, True, ""), (4, True, "")]:
        cluster_polled(
            cluster, at=AT + timedelta(seconds=seconds), connected=connected, reason=reason
        )
    cluster.refresh_from_db()
    assert cluster.polled_at == AT + timedelta(seconds=4)
    assert cluster.connection_since == AT + timedelta(seconds=2)
    assert (cluster.connected, cluster.connection_reason, cluster.poll_number) == (True, "", 3)


def test_each_change_is_in_the_audit_trail_without_secrets(desk: Desk) -> None:
    good = "networking: {port: 9600}\ns3: {secret: sesame}\nruntime: {num_threads: 4}\n"
    desk.write("networking: {port: 9500}\ns3: {secret: other}\n")
    desk.write(good)
    desk.write("networking: [\n")
    desk.look()
    desk.write(good)
    events = [
        (event.action, event.outcome, event.before or {}, event.after or {})
        for event in AuditEvent.objects.filter(actor_name="portal").order_by("number")
    ]
    assert [(action, outcome) for action, outcome, _, _ in events] == [
        ("config.change", "succeeded"),
        ("config.change", "succeeded"),
        ("config.problem", "failed"),
        ("config.problem_over", "succeeded"),
    ]
    assert (events[0][2], events[0][3]["version"]) == ({}, 1)
    _, _, before, after = events[1]
    assert (before["config.networking.port"], after["config.networking.port"]) == (9500, 9600)
    assert after["config.runtime.num_threads"] == 4
    assert (before["hosts"], after["hosts"]) == (["127.0.0.1:9500"], ["127.0.0.1:9600"])
    assert before["sha256"] != after["sha256"]
    assert events[2][3]["line"] == 2
    assert events[3][3] == {}
    assert "sesame" not in str(events)
