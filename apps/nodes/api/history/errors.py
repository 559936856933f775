"""What a question about the history can get wrong, beyond its times."""

from __future__ import annotations

from apps.common.errors import PortalError


class ParameterMissing(PortalError):
    """A parameter that has no default."""

    def __init__(self, name: str, remedy: str) -> None:
        super().__init__(
            f"The parameter {name} is missing.",
            code="parameter_missing",
            status=400,
            remedy=remedy,
            extra={"parameter": name},
        )


class NodesUnknown(PortalError):
    """No node fits `nodes`."""

    def __init__(self, given: str) -> None:
        super().__init__(
            f"No node of the cluster fits nodes={given[:80]!r}.",
            code="node_unknown",
            status=404,
            remedy="Ask for /api/topology to see the ids that exist.",
        )


class TooMuch(PortalError):
    """More values than one answer holds."""

    def __init__(self, what: str, values: int, most: int, remedy: str) -> None:
        super().__init__(
            f"{what} are {values:,} values; one answer holds at most {most:,}.",
            code="too_much",
            status=400,
            remedy=remedy,
            extra={"values": values, "most": most},
        )


class MetricNotHere(PortalError):
    """The metric exists, but this route can't draw it."""

    def __init__(self, key: str, message: str, remedy: str) -> None:
        super().__init__(
            message, code="metric_not_here", status=400, remedy=remedy, extra={"metric": key}
        )
