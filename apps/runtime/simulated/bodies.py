"""How a runtime of each generation takes a body: the good, the foreign and the broken.

Written from the protocol's description, apart from the client's own reader of
frames: a mistake there must not hide itself here. Only the offsets are shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from apps.runtime.types import Route, RouteMode, WireGeneration
from apps.runtime.wire.layout import (
    ADDRESSING,
    COUNTS,
    DIALBACK,
    LAYOUTS,
    POOL,
    ROUTE,
    ROUTE_MODES,
    TASK_ID,
    U64,
    Layout,
    MessageType,
    Method,
)

_TASK_AT = COUNTS.size
_ADDRESSING_AT = COUNTS.size + TASK_ID.size
_TYPE_AT = _ADDRESSING_AT + ADDRESSING.size - 1
_PORT_AT = _TYPE_AT + 1
_ROUTE_AT = POOL.size + TASK_ID.size
_ABSURD = 2**40
"""A count or length from here on is honoured by a runtime, and ends it."""
_FLOOD = 2**20


class Kind(StrEnum):
    """What arrived, as far as a runtime's fate depends on it."""

    REQUEST = "request"
    FRAME_2_0 = "frame_2_0"
    FRAME_2_2 = "frame_2_2"
    FRAME_2_3 = "frame_2_3"
    CUT_SHORT = "cut_short"
    NO_TASK = "no_task"
    REPLY_TYPE = "reply_type"
    ABSURD_LENGTH = "absurd_length"
    FLOOD = "flood"


class Effect(StrEnum):
    """What a body does to the runtime that gets it."""

    SERVE = "serve"
    IGNORE = "ignore"
    DIAL_BACK = "dial_back"
    """Opens the way back to the client, but answers nothing."""
    HANG = "hang"
    DIE = "die"


_V20, _V22, _V23 = WireGeneration.V2_0, WireGeneration.V2_2, WireGeneration.V2_3
_FOREIGN = {_V20: Kind.FRAME_2_0, _V22: Kind.FRAME_2_2, _V23: Kind.FRAME_2_3}

_EFFECTS: dict[WireGeneration, dict[Kind, Effect]] = {
    _V20: {
        Kind.FRAME_2_2: Effect.DIE,
        Kind.FRAME_2_3: Effect.IGNORE,
        Kind.NO_TASK: Effect.DIE,
    },
    _V22: {
        Kind.FRAME_2_0: Effect.HANG,
        Kind.FRAME_2_3: Effect.DIAL_BACK,
        Kind.NO_TASK: Effect.IGNORE,
    },
    _V23: {
        Kind.FRAME_2_0: Effect.HANG,
        Kind.FRAME_2_2: Effect.IGNORE,
        Kind.NO_TASK: Effect.HANG,
    },
}
_EFFECTS_ON_ALL = {
    Kind.REQUEST: Effect.SERVE,
    Kind.CUT_SHORT: Effect.IGNORE,
    Kind.REPLY_TYPE: Effect.HANG,
    Kind.ABSURD_LENGTH: Effect.DIE,
    Kind.FLOOD: Effect.HANG,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request that a runtime can serve. ``route`` is ``None`` for an unknown routing mode."""

    method: int
    pool_id: str
    route: Route | None
    query: str
    echo: bytes
    """The first 84 bytes, which a reply repeats: counts, task id, pool, method."""


def body_effect(body: bytes, generation: WireGeneration) -> tuple[Kind, Effect]:
    """What the body is to a runtime of this generation, and what it does to it."""
    kind = body_kind(body, generation)
    effect = _EFFECTS_ON_ALL.get(kind)
    return kind, effect if effect is not None else _EFFECTS[generation][kind]


def body_kind(body: bytes, generation: WireGeneration) -> Kind:
    if len(body) >= U64.size and U64.unpack_from(body, 0)[0] >= _FLOOD:
        return Kind.FLOOD
    if len(body) < _PORT_AT:
        return Kind.CUT_SHORT
    send, _, _, _, tasks = COUNTS.unpack_from(body, 0)
    if send or tasks >= _FLOOD:
        return Kind.ABSURD_LENGTH
    if not tasks:
        return Kind.NO_TASK
    if body[_TYPE_AT] != MessageType.REQUEST:
        return Kind.REPLY_TYPE
    if _has_layout(body, LAYOUTS[generation]):
        absurd = _query_length(body, LAYOUTS[generation]) >= _ABSURD
        return Kind.ABSURD_LENGTH if absurd else Kind.REQUEST
    for other, kind in _FOREIGN.items():
        if other is not generation and _has_layout(body, LAYOUTS[other]):
            return kind
    at = LAYOUTS[generation].stream_length_at
    if len(body) >= at + U64.size and U64.unpack_from(body, at)[0] >= _ABSURD:
        return Kind.ABSURD_LENGTH
    return Kind.CUT_SHORT


def call_parse(body: bytes, generation: WireGeneration) -> Call:
    """Read a body that `body_effect` said to serve."""
    layout = LAYOUTS[generation]
    major, minor, method, _ = ADDRESSING.unpack_from(body, _ADDRESSING_AT)
    query = b""
    if method == Method.MONITOR:
        at = layout.stream_at + layout.arguments_at + U64.size
        length = _query_length(body, layout)
        # A text that is announced longer than it is reads as empty: the query is unknown.
        query = body[at : at + length] if at + length <= len(body) else b""
    return Call(
        method=method,
        pool_id=f"{major}.{minor}",
        route=_route(body, layout.stream_at + _ROUTE_AT),
        query=query.decode(errors="replace"),
        echo=body[:_TYPE_AT],
    )


def reply_port(body: bytes) -> int | None:
    """The port to dial back to; at the same place in 2.2 and 2.3."""
    if len(body) < _PORT_AT + DIALBACK.size:
        return None
    port: int = DIALBACK.unpack_from(body, _PORT_AT)[0]
    return port if 0 < port < 65_536 else None


def reply_pack(
    call: Call, generation: WireGeneration, return_code: int, completer: int, output: bytes
) -> bytes:
    """The body of a reply: the request's head echoed, then code, completer and output."""
    layout = LAYOUTS[generation]
    head = call.echo + bytes((MessageType.REPLY,))
    stream = POOL.pack(return_code & 0xFFFFFFFF, completer) + output
    # What stands between message type and stream length is zero in every reply.
    gap = bytes(layout.stream_length_at - len(head))
    return head + gap + U64.pack(len(stream)) + stream


def _has_layout(body: bytes, layout: Layout) -> bool:
    """Whether the stream lies where this layout says. Trailing bytes are ignored."""
    if len(body) < layout.fixed_bytes:
        return False
    length = U64.unpack_from(body, layout.stream_length_at)[0]
    if not layout.arguments_at <= length <= len(body) - layout.stream_at:
        return False
    task = body[_TASK_AT:_ADDRESSING_AT]
    pool = body[_ADDRESSING_AT : _ADDRESSING_AT + POOL.size]
    at = layout.stream_at
    return body[at : at + _ROUTE_AT] == pool + task


def _query_length(body: bytes, layout: Layout) -> int:
    at = layout.stream_at + layout.arguments_at
    method = ADDRESSING.unpack_from(body, _ADDRESSING_AT)[2]
    if method != Method.MONITOR or len(body) < at + U64.size:
        return 0
    length: int = U64.unpack_from(body, at)[0]
    return length


def _route(body: bytes, at: int) -> Route | None:
    code, hash_value, container, offset, count, node, _ = ROUTE.unpack_from(body, at)
    mode = ROUTE_MODES.get(code)
    if mode is None:
        return None
    values = {
        RouteMode.DIRECT_ID: container,
        RouteMode.DIRECT_HASH: hash_value,
        RouteMode.PHYSICAL: node,
        RouteMode.RANGE: offset,
    }
    return Route(mode, values.get(mode), count if mode is RouteMode.RANGE else None)
