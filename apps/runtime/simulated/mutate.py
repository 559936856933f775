"""Answers bent by a fault: first the content of a part, then the frame around it."""

from __future__ import annotations

import struct
from typing import Any

import msgpack

from apps.runtime.simulated.clock import NS
from apps.runtime.simulated.faults import Fault, FaultSetting
from apps.runtime.types import WireGeneration
from apps.runtime.wire.layout import LAYOUTS, PART_HEAD, REPLY_HEAD, U64

_DOUBLES = ("bdev_stats", "pool_stats", "stats")
"""Queries whose floats are f64; all others send f32."""

_KEY_THAT_MATTERS = {
    "get_host_info": "hostname",
    "worker_stats": "num_queued_tasks",
    "system_stats": "cpu_usage_pct",
    "bdev_stats": "total_capacity",
    "pool_stats": "total_capacity",
    "stats": "total_capacity",
    "container_stats": "methods",
}
_NAMES = ("hostname", "pool_name", "chimod_name", "device_health", "failure_prediction")

HOSTILE_TEXTS = {
    "html": "<img src=x onerror=alert(1)></td></script><script>alert('sim')</script>&amp;\"'",
    "long": "n" * 10_000,
    "bidi": "sim\u202e\u2066gpj.exe\u2069 \u200bnode\u202c",
    "nul": "sim\x00node\x1b[31m\r\n\x7f",
}

_ARRAY_32 = b"\xdd"
_STRING_32 = b"\xdb"
_EMPTY_MAP = b"\x80"
_ABSURD_COUNT = 2**40
_ABSURD_STREAM = 2**62
_FULL_32 = b"\xff\xff\xff\xff"


def part_mutate(data: bytes, query: str, settings: list[FaultSetting]) -> bytes:
    """One container's msgpack bytes after the content faults among ``settings``."""
    for setting in settings:
        if setting.fault in _CONTENT:
            data = _content_mutate(data, query, setting)
        elif setting.fault is Fault.SHORT_ARRAY:
            data = _announce_one_more(data)
    return data


def _content_mutate(data: bytes, query: str, setting: FaultSetting) -> bytes:
    value = msgpack.unpackb(data, strict_map_key=False)
    value = _CONTENT[setting.fault](value, query, setting)
    packed: bytes = msgpack.packb(value, use_single_float=query not in _DOUBLES)
    return packed


def _maps(value: Any) -> list[dict[str, Any]]:
    """Every map in an answer, outermost first."""
    if isinstance(value, dict):
        return [value, *(found for inner in value.values() for found in _maps(inner))]
    if isinstance(value, list):
        return [found for inner in value for found in _maps(inner)]
    return []


def _missing_key(value: Any, query: str, setting: FaultSetting) -> Any:
    key = setting.text("key") or _KEY_THAT_MATTERS.get(query, "")
    for found in _maps(value):
        found.pop(key, None)
    return value


def _extra_key(value: Any, query: str, setting: FaultSetting) -> Any:
    for found in _maps(value):
        found[setting.text("key")] = "kept"
    return value


def _wrong_type(value: Any, query: str, setting: FaultSetting) -> Any:
    key = setting.text("key") or _KEY_THAT_MATTERS.get(query, "")
    for found in _maps(value):
        if key in found:
            found[key] = 12_345 if isinstance(found[key], str) else "not what was promised"
    return value


def _hostile_names(value: Any, query: str, setting: FaultSetting) -> Any:
    for found in _maps(value):
        for name in _NAMES:
            if name in found:
                found[name] = HOSTILE_TEXTS[setting.text("kind")]
    return value


def _clock_skew(value: Any, query: str, setting: FaultSetting) -> Any:
    for found in _maps(value):
        if "wall_time_ns" in found:
            found["wall_time_ns"] = max(
                0, found["wall_time_ns"] + round(setting.number("seconds") * NS)
            )
    return value


def _empty_entry(value: Any, query: str, setting: FaultSetting) -> Any:
    if isinstance(value, list) and value:
        value[-1] = {}
    return value


def _no_stats(value: Any, query: str, setting: FaultSetting) -> Any:
    if query != "bdev_stats":
        return value
    return [{"pool_id": device["stats"]["pool_name"], "stats": None} for device in value]


_CONTENT = {
    Fault.MISSING_KEY: _missing_key,
    Fault.EXTRA_KEY: _extra_key,
    Fault.WRONG_TYPE: _wrong_type,
    Fault.HOSTILE_NAMES: _hostile_names,
    Fault.CLOCK_SKEW: _clock_skew,
    Fault.EMPTY_ENTRY: _empty_entry,
    Fault.NO_STATS: _no_stats,
}


def _announce_one_more(data: bytes) -> bytes:
    """An array's header counted up by one; what is no array stays as it is."""
    first = data[0]
    if 0x90 <= first <= 0x9F:
        return bytes(msgpack.Packer().pack_array_header((first & 0x0F) + 1)) + data[1:]
    if first == 0xDC:
        return b"\xdc" + struct.pack(">H", struct.unpack_from(">H", data, 1)[0] + 1) + data[3:]
    return data


# --- the frame --------------------------------------------------------------------------


def reply_mutate(body: bytes, generation: WireGeneration, settings: list[FaultSetting]) -> bytes:
    """A finished reply after the frame faults among ``settings``."""
    for setting in settings:
        if setting.fault is Fault.HUGE:
            body = _huge(body, generation, int(setting.number("size_bytes")))
        elif setting.fault is Fault.LENGTH_LIE:
            body = _lie(body, generation, setting.text("kind"))
        elif setting.fault is Fault.TRUNCATED:
            body = body[: int(len(body) * setting.number("fraction"))]
    return body


def _output_at(generation: WireGeneration) -> int:
    return LAYOUTS[generation].stream_at + REPLY_HEAD.size


def _lie(body: bytes, generation: WireGeneration, kind: str) -> bytes:
    count_at = _output_at(generation)
    part_at = count_at + U64.size
    data_at = part_at + PART_HEAD.size
    if kind == "stream":
        return _replaced(body, LAYOUTS[generation].stream_length_at, U64.pack(_ABSURD_STREAM))
    if kind == "count" or len(body) <= data_at:
        return _replaced(body, count_at, U64.pack(_ABSURD_COUNT))
    if kind == "part":
        return _replaced(body, part_at + 4, U64.pack(_ABSURD_COUNT))
    return _replaced(body, data_at, (_ARRAY_32 if kind == "array" else _STRING_32) + _FULL_32)


def _replaced(body: bytes, at: int, piece: bytes) -> bytes:
    return body[:at] + piece + body[at + len(piece) :]


def _huge(body: bytes, generation: WireGeneration, size_bytes: int) -> bytes:
    """As many empty maps as fit, in one array: each byte costs a reader a whole object."""
    at = _output_at(generation)
    data = _ARRAY_32 + struct.pack(">I", size_bytes) + _EMPTY_MAP * size_bytes
    container_id = PART_HEAD.unpack_from(body, at + U64.size)[0] if len(body) > at + 20 else 0
    output = U64.pack(1) + PART_HEAD.pack(container_id, len(data)) + data
    length_at = LAYOUTS[generation].stream_length_at
    head = body[:length_at] + U64.pack(REPLY_HEAD.size + len(output))
    return head + body[LAYOUTS[generation].stream_at : at] + output
