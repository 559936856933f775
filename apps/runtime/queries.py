"""The questions a runtime answers: building each, asking it, and typing its answer.

The ``…_query`` functions build the text for `Scatter` and `RuntimeClient`; the ``…_read``
functions ask one runtime and wait. All raise `RuntimeFailure` and nothing else for what
the other side does; a bad argument is a ``ValueError``.
"""

from __future__ import annotations

import re

from apps.runtime.client import DEFAULT_DEADLINE_S, RuntimeClient
from apps.runtime.decode import (
    BLOCK_DEVICES,
    CONTAINERS,
    HOST_INFO,
    SYSTEM,
    WORKERS,
    answer_part,
    decode_block_devices,
    decode_containers,
    decode_host_info,
    decode_pool_stats,
    decode_system_samples,
    decode_workers,
)
from apps.runtime.types import (
    BlockDevice,
    Container,
    HostInfo,
    PoolStats,
    Route,
    RouteMode,
    SystemSample,
    Target,
    WorkerFigures,
)

__all__ = [
    "BLOCK_DEVICES",
    "CONTAINERS",
    "HOST_INFO",
    "SYSTEM",
    "WORKERS",
    "block_devices_read",
    "containers_read",
    "host_info_read",
    "pool_stats_query",
    "pool_stats_read",
    "system_samples_read",
    "system_stats_query",
    "workers_read",
]

_POOL_ID = re.compile(r"\d{1,10}\.\d{1,10}", re.ASCII)
_SELECTOR = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)


def system_stats_query(min_event_id: int | None = None) -> str:
    """Samples with ``event_id >= min_event_id``; the whole ring for ``None``.

    The bound is inclusive: after sample N ask for N + 1.
    """
    if min_event_id is None:
        return SYSTEM
    if min_event_id < 0:
        raise ValueError(f"min_event_id is {min_event_id}; event ids start at 0")
    return f"{SYSTEM}:{min_event_id}"


def pool_stats_query(
    pool_id: str,
    *,
    selector: str = "stats",
    route: Route = Route.local(),  # noqa: B008 - frozen value
) -> str:
    """What pool ``major.minor`` says to ``selector``, on the containers of ``route``."""
    if not _POOL_ID.fullmatch(pool_id):
        raise ValueError(f"pool id {pool_id!r} is not of the form major.minor, such as 301.0")
    if not _SELECTOR.fullmatch(selector):
        raise ValueError(f"selector {selector!r} is not 1 to 64 letters, digits and underscores")
    return f"pool_stats://{pool_id}:{_route_text(route)}:{selector}"


def host_info_read(
    client: RuntimeClient, target: Target, *, deadline_s: float = DEFAULT_DEADLINE_S
) -> HostInfo:
    answer = client.monitor(target, HOST_INFO, deadline_s=deadline_s)
    return decode_host_info(answer_part(answer, target=target, query=HOST_INFO), target=target)


def workers_read(
    client: RuntimeClient, target: Target, *, deadline_s: float = DEFAULT_DEADLINE_S
) -> tuple[WorkerFigures, ...]:
    answer = client.monitor(target, WORKERS, deadline_s=deadline_s)
    return decode_workers(answer_part(answer, target=target, query=WORKERS), target=target)


def system_samples_read(
    client: RuntimeClient,
    target: Target,
    *,
    min_event_id: int | None = None,
    deadline_s: float = DEFAULT_DEADLINE_S,
) -> tuple[SystemSample, ...]:
    """Samples from ``min_event_id`` on, oldest first; the whole ring for ``None``."""
    query = system_stats_query(min_event_id)
    answer = client.monitor(target, query, deadline_s=deadline_s)
    return decode_system_samples(answer_part(answer, target=target, query=query), target=target)


def block_devices_read(
    client: RuntimeClient, target: Target, *, deadline_s: float = DEFAULT_DEADLINE_S
) -> tuple[BlockDevice, ...]:
    answer = client.monitor(target, BLOCK_DEVICES, deadline_s=deadline_s)
    part = answer_part(answer, target=target, query=BLOCK_DEVICES)
    return decode_block_devices(part, target=target)


def containers_read(
    client: RuntimeClient, target: Target, *, deadline_s: float = DEFAULT_DEADLINE_S
) -> tuple[Container, ...]:
    """Every pool's part on that node. Large (4 to 44 kB): ask seldom."""
    answer = client.monitor(target, CONTAINERS, deadline_s=deadline_s)
    return decode_containers(answer_part(answer, target=target, query=CONTAINERS), target=target)


def pool_stats_read(
    client: RuntimeClient,
    target: Target,
    pool_id: str,
    *,
    selector: str = "stats",
    deadline_s: float = DEFAULT_DEADLINE_S,
) -> PoolStats | None:
    """What the pool's container on that node says; ``None``: it does not know the selector.

    Raises `RuntimeRefused` with return code 3 when the node has no such pool.
    """
    query = pool_stats_query(pool_id, selector=selector)
    answer = client.monitor(target, query, deadline_s=deadline_s)
    if answer.return_code == 0 and not answer.parts:
        return None
    part = answer_part(answer, target=target, query=query)
    return decode_pool_stats(part, target=target, query=query)


def _route_text(route: Route) -> str:
    if route.mode in (RouteMode.LOCAL, RouteMode.BROADCAST, RouteMode.DYNAMIC):
        return route.mode.value
    if route.value is None or route.value < 0:
        raise ValueError(f"route {route.mode} needs a number, not {route.value}")
    if route.mode is not RouteMode.RANGE:
        return f"{route.mode.value}:{route.value}"
    if route.count is None or route.count < 1:
        raise ValueError(f"route range needs a count of at least 1, not {route.count}")
    return f"{route.mode.value}:{route.value}:{route.count}"
