"""Writes on the cluster and its configuration."""

from __future__ import annotations

from datetime import datetime

from apps.cluster.models import Cluster


def cluster_ensure(*, at: datetime) -> Cluster:
    """The cluster that this portal watches, made when there is none yet. Idempotent."""
    cluster = Cluster.objects.order_by("pk").first()
    if cluster is None:
        cluster, _ = Cluster.objects.get_or_create(name="default", defaults={"created_at": at})
    return cluster
