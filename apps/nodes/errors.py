"""What can be wrong with a question about nodes."""

from __future__ import annotations

from apps.common.errors import PortalError


class NodeUnknown(PortalError):
    """No present node has that id."""

    def __init__(self, node_id: object) -> None:
        super().__init__(
            f"There is no node {node_id} in the cluster's host list.",
            code="node_unknown",
            status=404,
            remedy="Ask for /api/topology to see the ids that exist.",
        )


class FilterError(PortalError):
    """A node filter that can't mean anything."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            code="bad_filter",
            status=400,
            remedy="Write ids, ranges or parts of names, separated by commas: node1,5,10-12.",
        )
