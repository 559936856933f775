"""The answers that every route has in common, for the schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from apps.cluster.api.serializers import ErrorSerializer


def answers(
    good: Any,
    *,
    unreachable: Any = None,
    missing: Any = None,
    bad: bool = False,
    node: bool = False,
) -> dict[int, OpenApiResponse]:
    """Status code → shape. `bad`: has parameters to get wrong; `node`: names a node."""
    found: dict[int, OpenApiResponse] = {
        200: OpenApiResponse(good),
        401: OpenApiResponse(ErrorSerializer, description="No valid credentials."),
        403: OpenApiResponse(ErrorSerializer, description="The role does not allow it."),
    }
    if bad:
        found[400] = OpenApiResponse(ErrorSerializer, description="A parameter makes no sense.")
    if node:
        found[404] = OpenApiResponse(ErrorSerializer, description="There is no such node.")
    if missing is not None:
        found[404] = OpenApiResponse(missing, description="There is no configuration file.")
    if unreachable is not None:
        found[503] = OpenApiResponse(unreachable, description="What was asked can't be reached.")
    return dict(sorted(found.items()))
