"""Which nodes a route reaches, as the runtime resolves it."""

from __future__ import annotations

from apps.runtime.types import Route, RouteMode


def route_targets(route: Route | None, local_id: int, node_count: int) -> list[tuple[int, int]]:
    """(key of the answer, node) for each container of a route; empty: nobody ever answers.

    On a cluster, containers of a pool are numbered as the nodes are.
    """
    if route is None:
        return []
    value = route.value if route.value is not None else 0
    if route.mode in (RouteMode.LOCAL, RouteMode.DYNAMIC):
        return [(local_id, local_id)]
    if route.mode is RouteMode.BROADCAST:
        return [(node_id, node_id) for node_id in range(node_count)]
    if route.mode is RouteMode.DIRECT_ID:
        # An unknown container is answered by the local one, under key 0.
        return [(value, value)] if value < node_count else [(0, local_id)]
    if route.mode is RouteMode.DIRECT_HASH:
        return [(value % node_count, value % node_count)]
    if route.mode is RouteMode.PHYSICAL:
        return [(value, value)] if value < node_count else []
    end = min(value + (route.count or 0), node_count)
    return [(node_id, node_id) for node_id in range(value, end)]
