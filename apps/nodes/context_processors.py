"""What every page shows of the cluster."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from apps.cluster.errors import ClusterMissing
from apps.cluster.models import Cluster
from apps.cluster.selectors import cluster_current
from apps.nodes.connection import Connection, connection_of


def cluster_or_none() -> Cluster | None:
    try:
        return cluster_current()
    except ClusterMissing:
        return None


def connection(request: HttpRequest) -> dict[str, Any]:
    """``connection``: for the banner, read only by a page that shows it. ``at``: now."""
    at = timezone.now()

    def read() -> Connection:
        return connection_of(cluster_or_none(), at=at)

    return {"connection": SimpleLazyObject(read), "at": at}
