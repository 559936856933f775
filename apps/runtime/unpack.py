"""MessagePack from the network, opened without believing it.

The C unpacker allocates what a header announces. Every length is therefore
bounded by what the answer can really hold, top-level arrays are read entry by
entry, and all that can go wrong leaves as one named error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""No answer is longer: the full ring of a long-lived runtime is about 0.5 MB."""

MAX_ENTRIES = 65_536
"""Entries of a top-level array: 18 hours of 1 Hz samples."""

MAX_NESTED_ITEMS = 4_096
"""Items of an array inside an entry; the largest seen is 101 methods."""

MAX_MAP_ITEMS = 512
MAX_STRING_BYTES = 1024 * 1024


class MalformedError(Exception):
    """The bytes are not one well-formed MessagePack value within the bounds."""


def value_unpack(data: bytes) -> Any:
    """The one value of ``data``; `MalformedError` when there is none, or bytes are left over."""
    unpacker = _unpacker(data)
    value = _next(unpacker, data)
    if unpacker.tell() != len(data):
        raise MalformedError(f"{len(data) - unpacker.tell()} bytes are left over after the value")
    return value


def entries_unpack(data: bytes) -> Iterator[Any]:
    """The entries of a top-level array, one at a time.

    An array that ends early at an entry's boundary is tolerated: a runtime may
    skip an entry after it has announced the array's length.
    """
    unpacker = _unpacker(data)
    try:
        announced = unpacker.read_array_header()
    except (msgpack.UnpackException, ValueError) as error:
        raise MalformedError(f"it is not an array ({error or type(error).__name__})") from error
    if announced > min(MAX_ENTRIES, len(data)):
        raise MalformedError(f"it announces {announced} entries in {len(data)} bytes")
    for _ in range(announced):
        if unpacker.tell() == len(data):
            return
        yield _next(unpacker, data)
    if unpacker.tell() != len(data):
        raise MalformedError(f"{len(data) - unpacker.tell()} bytes are left over after the array")


def _unpacker(data: bytes) -> msgpack.Unpacker:
    if not data:
        raise MalformedError("it is empty")
    if len(data) > MAX_ANSWER_BYTES:
        raise MalformedError(f"it has {len(data)} bytes, and {MAX_ANSWER_BYTES} is the limit")
    bound = len(data)
    unpacker = msgpack.Unpacker(
        raw=False,
        # Names come from anywhere; U+FFFD can be stored and shown, a lone surrogate can't.
        unicode_errors="replace",
        strict_map_key=True,
        max_buffer_size=bound,
        max_str_len=min(MAX_STRING_BYTES, bound),
        max_bin_len=min(MAX_STRING_BYTES, bound),
        max_ext_len=min(MAX_STRING_BYTES, bound),
        max_array_len=min(MAX_NESTED_ITEMS, bound),
        max_map_len=min(MAX_MAP_ITEMS, bound),
    )
    unpacker.feed(data)
    return unpacker


def _next(unpacker: msgpack.Unpacker, data: bytes) -> Any:
    try:
        return unpacker.unpack()
    except msgpack.OutOfData:
        raise MalformedError(f"it breaks off after {len(data)} bytes") from None
    except (msgpack.UnpackException, ValueError, OverflowError) as error:
        raise MalformedError(f"it is not MessagePack ({error or type(error).__name__})") from error
