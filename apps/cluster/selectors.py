"""Reads over the cluster and its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.cluster.errors import ClusterMissing
from apps.cluster.models import Cluster, ConfigStatus, ConfigVersion


def cluster_current() -> Cluster:
    """The cluster that this portal watches. Raises ClusterMissing before it was set up."""
    cluster = Cluster.objects.order_by("pk").first()
    if cluster is None:
        raise ClusterMissing
    return cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigView:
    """The configuration in force, secrets masked, and what the last look at the file found."""

    config: dict[str, Any] | None
    """``None``: no configuration file has been found yet."""
    path: str
    read_at: datetime | None
    """When the version in force was first read."""
    checked_at: datetime | None
    version: int | None
    legacy: list[str]
    """Sentences on names and places that newer runtimes no longer read."""
    searched: list[str]
    hostfile: str
    error: dict[str, Any] | None
    """``{"message", "code", "path", "line", "column", "remedy"}``, or ``None``."""
    versions: list[ConfigVersion]
    """Newest first, without their content."""


def config_view(cluster: Cluster) -> ConfigView:
    """Two queries."""
    status = ConfigStatus.objects.filter(cluster=cluster).select_related(
        "current"
    ).first() or ConfigStatus(cluster=cluster)
    current = status.current
    return ConfigView(
        config=current.config if current else None,
        path=status.path or (current.path if current else ""),
        read_at=current.read_at if current else None,
        checked_at=status.checked_at,
        version=current.number if current else None,
        legacy=current.legacy if current else [],
        searched=status.searched,
        hostfile=status.hostfile,
        error=status.error,
        versions=list(
            ConfigVersion.objects.filter(cluster=cluster).defer("config").order_by("-number")[:100]
        ),
    )
