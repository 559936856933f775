"""Clusters in every condition that the API must have an answer for, at `factories.AT`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from apps.cluster.models import Cluster, ConfigStatus, ConfigVersion
from apps.nodes.models import Node
from apps.runtime.types import NodeState
from tests import factories
from tests.factories import AT

YAML_ERROR = {
    "message": "/etc/clio/clio.yaml, line 3, column 7: a mapping value is not allowed here.",
    "code": "malformed_yaml",
    "path": "/etc/clio/clio.yaml",
    "line": 3,
    "column": 7,
    "remedy": "Correct the file; until then the last good version stays in force.",
}


def healthy() -> None:
    cluster = factories.cluster_of(4)
    for node in Node.objects.filter(cluster=cluster):
        factories.samples_make(node, at=AT, seconds=120)


def one_down() -> None:
    """Node 2 is down for five minutes; see `factories.cluster_of_four`."""
    factories.cluster_of_four()


def one_hung() -> None:
    healthy()
    since = AT - timedelta(seconds=40)
    reason = "It accepts connections and does not answer."
    Node.objects.filter(node_id=2).update(
        state=NodeState.HUNG, state_since=since, state_reason=reason
    )


def all_down() -> None:
    healthy()
    reason = "Its client port refuses connections."
    Node.objects.update(state=NodeState.DOWN, state_since=AT, state_reason=reason)
    Cluster.objects.update(connected=False, connection_reason="None of the 4 nodes answers.")


def stale() -> None:
    """The collector stopped a minute ago."""
    healthy()
    Cluster.objects.update(polled_at=AT - timedelta(minutes=1))


def not_polled() -> None:
    """The portal has just started."""
    factories.cluster_make(polled_at=None, poll_number=0, connected=None, connection_since=None)


def no_cluster() -> None:
    """The portal was never started."""


def no_config() -> None:
    healthy()
    ConfigStatus.objects.update(current=None, path="", searched=["/home/clio/.clio/clio.yaml"])
    ConfigVersion.objects.all().delete()


def named_config_missing() -> None:
    no_config()
    error = {
        "message": "CLIO_SERVER_CONF names /etc/clio.yaml, which does not exist.",
        "code": "named_file_missing",
        "path": "/etc/clio.yaml",
        "line": None,
        "column": None,
        "remedy": "Correct CLIO_SERVER_CONF, or unset it to use the default.",
    }
    ConfigStatus.objects.update(error=error, path="/etc/clio.yaml")


def broken_config() -> None:
    """Malformed from the start: there is no good version."""
    no_config()
    ConfigStatus.objects.update(error=YAML_ERROR, path="/etc/clio/clio.yaml")


def broken_config_with_good() -> None:
    """Malformed now; the last good version stays in force."""
    healthy()
    ConfigStatus.objects.update(error=YAML_ERROR)


SITUATIONS: dict[str, Callable[[], None]] = {
    make.__name__: make
    for make in (
        healthy,
        one_down,
        one_hung,
        all_down,
        stale,
        not_polled,
        no_cluster,
        no_config,
        named_config_missing,
        broken_config,
        broken_config_with_good,
    )
}
