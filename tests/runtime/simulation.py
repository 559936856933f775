"""Talk to simulated nodes without sockets, and look at the types of msgpack bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgpack

from apps.runtime.simulated import ManualClock, SimNode, SimOptions, SimulatedCluster
from apps.runtime.types import Route, WireGeneration
from apps.runtime.wire.frames import Reply, Request, TaskId, reply_parse, request_build
from apps.runtime.wire.layout import Method
from apps.runtime.wire.outputs import monitor_output_parse

IDENTITY = b"127.0.0.1:0123456789abcdef"
PORT = 40_000


def cluster_make(**values: Any) -> tuple[SimulatedCluster, ManualClock]:
    """A cluster that is never started, with a clock that stands still."""
    clock = ManualClock()
    return SimulatedCluster(SimOptions(**values), clock=clock), clock


def sim_node(cluster: SimulatedCluster, node_id: int = 0) -> SimNode:
    return cluster.node(node_id).sim


def request_of(
    generation: WireGeneration,
    query: str = "get_host_info",
    *,
    key: int = 77,
    port: int = PORT,
    **values: Any,
) -> bytes:
    values.setdefault("method", Method.MONITOR)
    if values["method"] is Method.MONITOR:
        values["query"] = query
    reply_port = None if generation is WireGeneration.V2_0 else port
    request = Request(task=TaskId(key), reply_port=reply_port, **values)
    return request_build(request, generation)


def ask(node: SimNode, query: str, *, route: Route | None = None) -> Reply:
    """The one reply to a monitor query, read by the client's own reader."""
    generation = node.life.generation
    replies = node.receive(IDENTITY, request_of(generation, query, route=route or Route.local()))
    assert len(replies) == 1
    body = replies[0].body
    assert body is not None
    return reply_parse(body, generation)


def parts_of(reply: Reply) -> dict[int, bytes]:
    return monitor_output_parse(reply.output)


def figures(node: SimNode, query: str) -> Any:
    """The decoded answer of the node itself."""
    return msgpack.unpackb(parts_of(ask(node, query))[node.node_id])


# --- types of msgpack -------------------------------------------------------------------

_FIXED = {0xC0: ("nil", 0), 0xC2: ("bool", 0), 0xC3: ("bool", 0)} | {
    0xCA: ("f32", 4),
    0xCB: ("f64", 8),
    **{0xCC + i: ("uint", 1 << i) for i in range(4)},
    **{0xD0 + i: ("int", 1 << i) for i in range(4)},
}
_SIZED = {0xD9: ("str", "B"), 0xDA: ("str", "H"), 0xDB: ("str", "I")} | {
    0xDC: ("array", "H"),
    0xDD: ("array", "I"),
    0xDE: ("map", "H"),
    0xDF: ("map", "I"),
}


def wire_shape(data: bytes) -> Any:
    """Types as they stand on the wire: maps as lists of (key, shape), arrays as lists."""
    shape, rest = _shape(memoryview(data))
    assert not rest
    return shape


def _shape(data: memoryview) -> tuple[Any, memoryview]:
    first, rest = data[0], data[1:]
    if first <= 0x7F:
        return "uint", rest
    if first in _FIXED:
        name, size = _FIXED[first]
        return name, rest[size:]
    if first in _SIZED:
        name, code = _SIZED[first]
        count = struct.unpack_from(f">{code}", rest)[0]
        rest = rest[struct.calcsize(code) :]
    elif 0xA0 <= first <= 0xBF:
        name, count = "str", first & 0x1F
    elif 0x90 <= first <= 0x9F:
        name, count = "array", first & 0x0F
    else:
        assert 0x80 <= first <= 0x8F, hex(first)
        name, count = "map", first & 0x0F
    if name == "str":
        return "str", rest[count:]
    items: list[Any] = []
    for _ in range(count * (2 if name == "map" else 1)):
        if name == "map" and len(items) % 2 == 0:
            item, rest = _text(rest)
        else:
            item, rest = _shape(rest)
        items.append(item)
    return (list(zip(items[::2], items[1::2], strict=True)) if name == "map" else items), rest


def _text(data: memoryview) -> tuple[str, memoryview]:
    _, rest = _shape(data)
    return msgpack.unpackb(data[: len(data) - len(rest)]), rest


def first_maps(shape: Any) -> Iterator[Any]:
    """One example of each map: an array stands for its first item."""
    if isinstance(shape, list) and shape and isinstance(shape[0], tuple):
        yield [(key, _kind(value)) for key, value in shape]
        for _, value in shape:
            yield from first_maps(value)
    elif isinstance(shape, list) and shape:
        yield from first_maps(shape[0])


def _kind(shape: Any) -> Any:
    return "nested" if isinstance(shape, list) else shape
