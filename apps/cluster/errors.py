"""What can be wrong with the cluster's row."""

from __future__ import annotations

from apps.common.errors import PortalError


class ClusterMissing(PortalError):
    """No cluster row exists yet: the portal has not been set up."""

    def __init__(self) -> None:
        super().__init__(
            "The portal has not been set up yet: it knows of no cluster.",
            code="cluster_missing",
            status=503,
            remedy="Start the collector once (python -m clio_portal does); it makes the row.",
        )
