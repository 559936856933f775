"""Mutated replies: whatever the bytes are, nothing leaves the decoder but named errors."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.runtime import decode
from apps.runtime.errors import RuntimeFailure
from apps.runtime.types import Target
from tests.runtime.recorded import recorded_parts

REPLIES_PER_SEED = 15_000
SEEDS = range(8)
TARGET = Target(0, "127.0.0.1")

Decoder = Callable[[bytes], object]
Mutator = Callable[[random.Random, bytes], bytes]

DECODERS: dict[str, Decoder] = {
    "get_host_info": lambda data: decode.decode_host_info(data, target=TARGET),
    "worker_stats": lambda data: decode.decode_workers(data, target=TARGET),
    "system_stats": lambda data: decode.decode_system_samples(data, target=TARGET),
    "bdev_stats": lambda data: decode.decode_block_devices(data, target=TARGET),
    "container_stats": lambda data: decode.decode_containers(data, target=TARGET),
    "stats": lambda data: decode.decode_pool_stats(data, target=TARGET, query="stats"),
}
LENGTH_LIES = (
    b"\xdc\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\x7f\xff\xff\xff",
)
BOMBS = (b"\x91" * 2000, b"\x81\xa1a" * 1500, b"\xdc\x0f\xff" * 40)
"""The last is short: it costs a millisecond already. test_decode_rules has the whole one."""
HOSTILE_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, 2**64 - 1, -(2**63)),
    *(math.nan, math.inf, -math.inf, 1e308, -0.0),
    *("", "\x00", "x" * 10_240, "<b>", "\u202e", b"\xff\xfe", "999999999999.0"),
    *([], {}, [[]], {"a": {"b": [1]}}, [{}] * 50, msgpack.ExtType(7, b"x"), msgpack.Timestamp(1)),
)


def recorded_bodies(query: str) -> list[bytes]:
    return sorted({part.data for part in recorded_parts() if part.query == query})


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    flipped = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.randint(1, 16)) + data[at:]


def delete(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 16) :]


def splice(rng: random.Random, data: bytes) -> bytes:
    start, end = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    at = rng.randrange(len(data))
    return data[:at] + data[start:end] + data[at:]


def lie_about_length(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice(LENGTH_LIES) + data[at + rng.randint(0, 5) :]


def plant_bomb(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice(BOMBS) + data[at:]


def replace_value(rng: random.Random, data: bytes) -> bytes:
    """A reply that is well formed, with one value swapped for a hostile one."""
    tree = msgpack.unpackb(data)
    place = tree
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = rng.choice(keys)
        if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.1:
            break
        place = place[key]
    if rng.random() < 0.1 and isinstance(place, dict):
        del place[key]
    else:
        place[key] = rng.choice(HOSTILE_VALUES)
    packed = msgpack.packb(tree, unicode_errors="surrogatepass")
    assert isinstance(packed, bytes)
    return packed


MUTATORS: tuple[Mutator, ...] = (
    flip_bits,
    truncate,
    insert,
    delete,
    splice,
    lie_about_length,
    plant_bomb,
    replace_value,
)


@pytest.mark.parametrize("seed", SEEDS)
def test_mutated_replies_raise_named_errors_only(seed: int) -> None:
    """120,000 replies in all, over every query's recorded bodies of every release."""
    rng = random.Random(seed)
    bodies = {query: recorded_bodies(query) for query in DECODERS}
    decoded = 0
    refused: set[str] = set()
    for _ in range(REPLIES_PER_SEED):
        query = rng.choice(tuple(DECODERS))
        data = rng.choice(MUTATORS)(rng, rng.choice(bodies[query]))
        value = decoded_or_failure(query, data)
        if isinstance(value, RuntimeFailure):
            refused.add(query)
            assert str(TARGET) in value.message
            assert query in value.message
        else:
            decoded += 1
            # What is let through can be stored: JSON without NaN, text without NUL.
            text = json.dumps(value, default=as_json, allow_nan=False)
            assert "\\u0000" not in text
    # The mutations are neither all fatal nor all harmless.
    assert decoded > REPLIES_PER_SEED / 20
    assert refused == set(DECODERS) - {"stats"}


def decoded_or_failure(query: str, data: bytes) -> object:
    """What the decoder made of the bytes; any other exception ends the test."""
    try:
        return DECODERS[query](data)
    except RuntimeFailure as failure:
        return failure


def as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return None
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


packable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=30)
    | st.binary(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=8) | st.binary(max_size=8), inner, max_size=5)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("query", DECODERS)
@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300) | packable.map(msgpack.packb))
def test_any_bytes_and_any_value_raise_named_errors_only(query: str, data: bytes) -> None:
    value = decoded_or_failure(query, data)
    if isinstance(value, RuntimeFailure):
        assert str(TARGET) in value.message
