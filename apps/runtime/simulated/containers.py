"""`container_stats`: every pool of a node with its learned cost models.

Most methods of a real node are untrained and many ids have no name; only a few
models move. So an untrained method is packed once for the whole process.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgpack

from apps.runtime.simulated.chimods import CHIMODS, pools_of
from apps.runtime.simulated.profile import Profile
from apps.runtime.simulated.waves import between, mixed, noise, unit
from apps.runtime.types import WireGeneration

LEARNING_RATE = 0.2
_MODEL_STEP_S = 60
_TRAINED_SHARE = 0.25
_VARIANTS = 32
"""Choices of trained methods that a module has: what is chosen is computed once."""


class Listed(NamedTuple):
    """One pool as `container_stats` lists it."""

    pool_id: str
    pool_name: str
    chimod: str


def pools_listed(profile: Profile, generation: WireGeneration) -> tuple[Listed, ...]:
    """Every pool of a node, block devices included."""
    pools = [Listed(pool.pool_id, pool.pool_name, pool.chimod) for pool in pools_of(generation)]
    pools += [Listed(device.pool_id, device.pool_name, "clio_bdev") for device in profile.devices]
    # The wire's order is a hash map's; the seed makes it arbitrary but steady.
    return tuple(sorted(pools, key=lambda pool: _pool_key(profile, pool)))


def containers_pack(
    profile: Profile, pools: Sequence[Listed], at_s: float, uptime_s: float
) -> bytes:
    """The msgpack bytes of `container_stats`."""
    step = int(at_s) // _MODEL_STEP_S
    packer = msgpack.Packer(use_single_float=True)
    chunks = [packer.pack_array_header(len(pools))]
    for pool in pools:
        chunks.append(packer.pack_map_header(6))
        for name, value in (
            ("pool_id", pool.pool_id),
            ("pool_name", pool.pool_name),
            ("chimod_name", pool.chimod),
            ("container_id", profile.node_id),
        ):
            chunks += (packer.pack(name), packer.pack(value))
        chunks.append(packer.pack("methods"))
        methods = list(_untrained_table(pool.chimod))
        if uptime_s >= _MODEL_STEP_S:
            _train(methods, pool.chimod, _pool_key(profile, pool), step)
        chunks.append(packer.pack_array_header(len(methods)))
        chunks += methods
        chunks += (packer.pack("learning_rate"), packer.pack(LEARNING_RATE))
    return b"".join(chunks)


def _train(methods: list[bytes], chimod: str, pool_key: int, step: int) -> None:
    """Put learned models in the place of some untrained ones."""
    for method_id in _trained_ids(chimod, pool_key % _VARIANTS):
        name = CHIMODS[chimod].methods.get(method_id, "")
        methods[method_id] = _trained(method_id, name, mixed(pool_key, method_id), step)


@lru_cache(maxsize=1_024)
def _trained_ids(chimod: str, variant: int) -> tuple[int, ...]:
    """Padding can be trained too: a real 2.3 trains ids that have no name."""
    table = CHIMODS[chimod]
    key = mixed(102, _text_key(chimod), variant)
    return tuple(
        method_id
        for method_id in range(2, table.table_length)
        if unit(key, method_id) < (_TRAINED_SHARE if method_id in table.methods else 0.02)
    )


@lru_cache
def _untrained_table(chimod: str) -> tuple[bytes, ...]:
    table = CHIMODS[chimod]
    return tuple(
        _method_pack(method_id, table.methods.get(method_id, ""), 1.0, 0.0, 1.0, 0.0)
        for method_id in range(table.table_length)
    )


def _trained(method_id: int, name: str, key: int, step: int) -> bytes:
    scale = 10.0 ** between(-0.5, 3.2, key, 2)
    drift = 0.9 + 0.2 * noise(key + 3, float(step), 10.0)
    mape = between(0.04, 0.6, key, 4) * drift
    return _method_pack(
        method_id, name, scale * drift, mape, scale * drift * between(1.0, 6.0, key, 5), mape * 1.2
    )


def _method_pack(
    method_id: int, name: str, coefficient: float, mape: float, wall: float, wall_mape: float
) -> bytes:
    packed: bytes = msgpack.packb(
        {
            "id": method_id,
            "name": name,
            "coefficient": coefficient,
            "mape": mape,
            "wall_coefficient": wall,
            "wall_mape": wall_mape,
        },
        use_single_float=True,
    )
    return packed


def _pool_key(profile: Profile, pool: Listed) -> int:
    return mixed(profile.key, 100, _text_key(pool.pool_id))


@lru_cache
def _text_key(text: str) -> int:
    """A steady number of a text; Python's own `hash` differs from run to run."""
    return mixed(*text.encode())
