"""What a node answers to a monitor query: a return code and msgpack bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgpack

from apps.runtime.simulated.boot import Boot
from apps.runtime.simulated.clock import NS, Clock
from apps.runtime.simulated.containers import Listed, containers_pack
from apps.runtime.simulated.devices import device_stats
from apps.runtime.simulated.figures import (
    cte_core_stats,
    host_info,
    newest_event,
    system_sample,
    workers,
)
from apps.runtime.simulated.profile import Profile
from apps.runtime.simulated.waves import work_between
from apps.runtime.types import Route, RouteMode, WireGeneration

OK = 0
MALFORMED_URI = 2
NO_SUCH_POOL = 3

_POOL_URI = "pool_stats://"
_ADMIN = "1.0"
_CTE_CORE = "512.0"


class PartAnswer(NamedTuple):
    """One container's answer; ``data`` is ``None`` where the wire's map has no entry."""

    return_code: int
    data: bytes | None


class PoolQuery(NamedTuple):
    """A parsed `pool_stats://` uri."""

    pool_id: str
    route: Route
    selector: str


EMPTY = PartAnswer(OK, None)


@dataclass(slots=True)
class Life:
    """What an answer is computed from: a node in its present boot."""

    pools: tuple[Listed, ...]
    profile: Profile
    generation: WireGeneration
    clock: Clock
    boot: Boot
    ring_length: int


def query_name(query: str) -> str:
    """What a query is counted as: its name without arguments."""
    if query.startswith("system_stats"):
        return "system_stats"
    return "pool_stats" if query.startswith(_POOL_URI) else query[:64]


def query_answer(life: Life, pool_id: str, query: str) -> PartAnswer:
    """The local container's answer. Unknown queries are answered with nothing, code 0."""
    if pool_id != _ADMIN:
        return _pool_answer(life, pool_id, query)
    if query.startswith("system_stats"):
        return PartAnswer(OK, system_stats(life, query))
    packed = {
        "get_host_info": _host_info,
        "worker_stats": _worker_stats,
        "bdev_stats": _bdev_stats,
        "container_stats": _container_stats,
    }.get(query)
    return PartAnswer(OK, packed(life)) if packed is not None else EMPTY


def pool_exists(life: Life, pool_id: str) -> bool:
    return any(pool.pool_id == pool_id for pool in life.pools)


def pool_uri_parse(query: str) -> PoolQuery | None:
    """``None`` when it is malformed, which a runtime answers with `MALFORMED_URI`."""
    pool_id, colon, rest = query.removeprefix(_POOL_URI).partition(":")
    major, _, minor = pool_id.partition(".")
    if not colon or not (_is_number(major) and _is_number(minor)):
        return None
    word, _, rest = rest.partition(":")
    word = word.lower()
    if word in ("local", "broadcast", "dynamic"):
        return PoolQuery(pool_id, Route(RouteMode(word)), rest)
    if word not in ("direct_id", "direct_hash", "physical", "range"):
        return None
    value, _, rest = rest.partition(":")
    count = None
    if word == "range":
        count, _, rest = rest.partition(":")
        if not _is_number(count):
            return None
    if not _is_number(value):
        return None
    route = Route(RouteMode(word), int(value), None if count is None else int(count))
    return PoolQuery(pool_id, route, rest)


def is_pool_uri(query: str) -> bool:
    return query.startswith(_POOL_URI)


def system_stats(life: Life, query: str) -> bytes:
    """Samples from ``min`` on, oldest first, as far back as the ring reaches."""
    newest = newest_event(life.profile, life.boot.uptime_ns(life.clock))
    wanted = query.removeprefix("system_stats").removeprefix(":")
    # A runtime reads a bad number as 0, and so gives all that it has.
    first = max(int(wanted) if _is_number(wanted) else 0, newest + 1 - life.ring_length, 0)
    packer = msgpack.Packer(use_single_float=True)
    events = range(first, newest + 1)
    chunks = [packer.pack_array_header(len(events))]
    chunks += [packer.pack(system_sample(life.profile, life.boot, event)) for event in events]
    return b"".join(chunks)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _pack_single(value: object) -> bytes:
    packed: bytes = msgpack.packb(value, use_single_float=True)
    return packed


def _pack_double(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _host_info(life: Life) -> bytes:
    return _pack_single(host_info(life.profile))


def _worker_stats(life: Life) -> bytes:
    at_s = life.boot.now_s(life.clock)
    return _pack_single(list(workers(life.profile, life.boot, at_s)))


def _bdev_stats(life: Life) -> bytes:
    at_s = life.boot.now_s(life.clock)
    work = work_between(life.profile.trains, life.boot.start_s, at_s)
    return _pack_double(
        [
            {
                "pool_id": device.pool_id,
                "stats": device_stats(device, life.boot, at_s, work, life.generation),
            }
            for device in life.profile.devices
        ]
    )


def _container_stats(life: Life) -> bytes:
    uptime_s = life.boot.uptime_ns(life.clock) / NS
    return containers_pack(life.profile, life.pools, life.boot.now_s(life.clock), uptime_s)


def _pool_answer(life: Life, pool_id: str, query: str) -> PartAnswer:
    """A query to a pool of its own: block devices and, in 2.3, the CTE core know `stats`."""
    at_s = life.boot.now_s(life.clock)
    for device in life.profile.devices:
        if device.pool_id == pool_id:
            if query != "stats":
                return EMPTY
            work = work_between(life.profile.trains, life.boot.start_s, at_s)
            stats = device_stats(device, life.boot, at_s, work, life.generation)
            return PartAnswer(OK, _pack_double(stats))
    if not pool_exists(life, pool_id):
        return PartAnswer(NO_SUCH_POOL, None)
    if (pool_id, query) == ("560.0", "next_pool") and life.generation is WireGeneration.V2_3:
        return PartAnswer(OK, b"563.0")
    if (pool_id, query) == (_CTE_CORE, "stats") and life.generation is WireGeneration.V2_3:
        return PartAnswer(OK, _pack_double(cte_core_stats(life.profile, life.boot, at_s)))
    return EMPTY
