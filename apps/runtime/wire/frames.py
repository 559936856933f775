"""Bodies of requests and replies: built from typed values, read with every length checked.

A malformed body kills a runtime, so a builder refuses what it can't vouch for.
A runtime's counts and lengths are compared with the bytes at hand before they
are believed. Both sides are here, because the simulated runtime speaks them too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from apps.runtime.types import Route, RouteMode, WireGeneration
from apps.runtime.wire.layout import (
    ADDRESSING,
    ADMIN_POOL,
    BATCH,
    COUNTS,
    DEFAULT_TIMEOUT_S,
    DIALBACK,
    KEY_AT,
    LAYOUTS,
    MAX_BODY_BYTES,
    MAX_QUERY_BYTES,
    NO_CONTAINER,
    PARALLELISM,
    POOL,
    REPLY_HEAD,
    ROUTE,
    ROUTE_CODES,
    ROUTE_MODES,
    SENDER,
    STOP_ARGUMENTS,
    TAIL,
    TASK_ID,
    U64,
    FrameError,
    Layout,
    MessageType,
    Method,
)
from apps.runtime.wire.outputs import text_parse

FLOAT = struct.Struct("<f")
U32 = struct.Struct("<I")
U32_MAX = 0xFFFFFFFF
U64_MAX = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class TaskId:
    """Names one request. Only ``key`` matters: it is echoed, and is the safe match."""

    key: int
    pid: int = 0
    sequence: int = 0

    def pack(self) -> bytes:
        _within("key", self.key, U64_MAX)
        _within("pid", self.pid, U32_MAX)
        sequence = self.sequence & U32_MAX
        return TASK_ID.pack(self.pid, 0, sequence, 0, sequence, 0, self.key)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``query`` goes with MONITOR; ``grace_ms`` and ``flags`` with STOP_RUNTIME."""

    method: Method
    task: TaskId
    route: Route = field(default_factory=Route)
    pool: tuple[int, int] = ADMIN_POOL
    query: str | None = None
    grace_ms: int | None = None
    flags: int = 0
    reply_port: int | None = None
    """Port the runtime dials back to; ``None`` for generation 2.0 only."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, its method output still in bytes."""

    task: TaskId
    method: int
    pool: tuple[int, int]
    return_code: int
    """As i32: the network time-out is -1000."""
    completer: int
    output: bytes


# --- requests ---------------------------------------------------------------------------


def request_build(request: Request, generation: WireGeneration) -> bytes:
    """The body of one request. Raises FrameError rather than build a doubtful one."""
    layout = LAYOUTS[generation]
    arguments = _arguments_build(request)
    task = request.task.pack()
    stream = b"".join(
        (
            POOL.pack(*request.pool),
            task,
            route_build(request.route),
            FLOAT.pack(DEFAULT_TIMEOUT_S),
            FLOAT.pack(DEFAULT_TIMEOUT_S) if layout.has_ttl_and_batch else b"",
            U32.pack(PARALLELISM),
            BATCH.pack(0, 0) if layout.has_ttl_and_batch else b"",
            TAIL.pack(request.method, 0, 0.0, 0, 0),
            arguments,
        )
    )
    body = _body_build(
        layout,
        task=task,
        pool=request.pool,
        method=request.method,
        message_type=MessageType.REQUEST,
        reply_port=_reply_port_checked(request.reply_port, layout),
        stream=stream,
    )
    expected = layout.fixed_bytes + len(arguments)
    if len(body) != expected:
        raise FrameError(f"built {len(body)} bytes where generation {generation} has {expected}")
    return body


def request_parse(body: bytes, generation: WireGeneration) -> Request:
    """Read a request body strictly. Raises FrameError on anything a client must not send."""
    layout = LAYOUTS[generation]
    task, pool, method_code, reply_port, stream = _body_parse(body, layout, MessageType.REQUEST)
    if len(stream) < layout.arguments_at:
        raise FrameError(f"task stream of {len(stream)} bytes, at least {layout.arguments_at} due")
    stream_pool = POOL.unpack_from(stream, 0)
    if stream_pool != pool:
        raise FrameError(f"pool {pool} in the header, {stream_pool} in the task stream")
    if stream[POOL.size : POOL.size + TASK_ID.size] != body[COUNTS.size : COUNTS.size + 32]:
        raise FrameError("task id differs between header and task stream")
    tail_at = layout.arguments_at - TAIL.size
    if TAIL.unpack_from(stream, tail_at)[0] != method_code:
        raise FrameError("method differs between header and task stream")
    try:
        method = Method(method_code)
    except ValueError:
        raise FrameError(f"unknown method {method_code}") from None
    query, flags, grace_ms = _arguments_parse(method, stream[layout.arguments_at :])
    return Request(
        method=method,
        task=task,
        route=route_parse(stream, POOL.size + TASK_ID.size),
        pool=pool,
        query=query,
        grace_ms=grace_ms,
        flags=flags,
        reply_port=reply_port,
    )


def route_build(route: Route) -> bytes:
    """The routing part of a task stream. Raises FrameError when the route lacks its value."""
    hash_value, container, offset, count, node = 0, NO_CONTAINER, 0, 0, 0
    mode = route.mode
    if mode in (RouteMode.LOCAL, RouteMode.BROADCAST, RouteMode.DYNAMIC):
        if route.value is not None:
            raise FrameError(f"route {mode} takes no value, got {route.value}")
    elif route.value is None:
        raise FrameError(f"route {mode} needs a value")
    elif mode is RouteMode.DIRECT_ID:
        container = _within("container id", route.value, U32_MAX)
    elif mode is RouteMode.DIRECT_HASH:
        hash_value = _within("hash", route.value, U32_MAX)
    elif mode is RouteMode.PHYSICAL:
        node = _within("node id", route.value, U32_MAX)
    else:
        offset = _within("range offset", route.value, U32_MAX)
        if route.count is None:
            raise FrameError("route range needs a count")
        count = _within("range count", route.count, U32_MAX)
    return ROUTE.pack(ROUTE_CODES[mode], hash_value, container, offset, count, node, 0)


def route_parse(stream: bytes, at: int) -> Route:
    """The inverse of `route_build`, at an offset of a task stream."""
    code, hash_value, container, offset, count, node, _ = ROUTE.unpack_from(stream, at)
    mode = ROUTE_MODES.get(code)
    if mode is None:
        raise FrameError(f"unknown routing mode {code}")
    if mode is RouteMode.RANGE:
        return Route(mode, offset, count)
    values = {
        RouteMode.DIRECT_ID: container,
        RouteMode.DIRECT_HASH: hash_value,
        RouteMode.PHYSICAL: node,
    }
    return Route(mode, values.get(mode))


def _arguments_build(request: Request) -> bytes:
    if request.method is Method.MONITOR:
        if request.query is None:
            raise FrameError("a monitor request needs a query")
        text = request.query.encode()
        if len(text) > MAX_QUERY_BYTES:
            raise FrameError(f"query of {len(text)} bytes; at most {MAX_QUERY_BYTES} are allowed")
        return U64.pack(len(text)) + text
    if request.method is Method.STOP_RUNTIME:
        if request.grace_ms is None:
            raise FrameError("a stop request needs grace_ms")
        grace_ms = _within("grace_ms", request.grace_ms, U32_MAX)
        return STOP_ARGUMENTS.pack(_within("flags", request.flags, U32_MAX), grace_ms)
    return b""


def _arguments_parse(method: Method, data: bytes) -> tuple[str | None, int, int | None]:
    """Query, flags and grace_ms of a request's arguments."""
    if method is Method.MONITOR:
        text = text_parse(data, "query")
        return text, 0, None
    if method is Method.STOP_RUNTIME:
        if len(data) != STOP_ARGUMENTS.size:
            raise FrameError(f"stop arguments of {len(data)} bytes, {STOP_ARGUMENTS.size} due")
        flags, grace_ms = STOP_ARGUMENTS.unpack(data)
        return None, flags, grace_ms
    if data:
        raise FrameError(f"{len(data)} bytes after a request without arguments")
    return None, 0, None


def _reply_port_checked(port: int | None, layout: Layout) -> int | None:
    if not layout.has_reply_port:
        if port is not None:
            raise FrameError("generation 2.0 has no reply port")
        return None
    if port is None or not 1 <= port <= 65_535:
        raise FrameError(f"reply port must be 1..65535, got {port}")
    return port


# --- replies ----------------------------------------------------------------------------


def reply_key(body: bytes) -> int | None:
    """The key of a reply of any generation; ``None`` when the body is too short for one."""
    if len(body) < KEY_AT + U64.size:
        return None
    return int(U64.unpack_from(body, KEY_AT)[0])


def reply_parse(body: bytes, generation: WireGeneration) -> Reply:
    """Read a reply body. Raises FrameError when any length or constant is off."""
    layout = LAYOUTS[generation]
    task, pool, method, _, stream = _body_parse(body, layout, MessageType.REPLY)
    if len(stream) < REPLY_HEAD.size:
        raise FrameError(f"reply stream of {len(stream)} bytes, at least {REPLY_HEAD.size} due")
    code, completer = REPLY_HEAD.unpack_from(stream, 0)
    signed = code - (1 << 32) if code >= 1 << 31 else code
    return Reply(task, method, pool, signed, completer, stream[REPLY_HEAD.size :])


def reply_build(reply: Reply, generation: WireGeneration) -> bytes:
    """The body a runtime answers with; the inverse of `reply_parse`."""
    layout = LAYOUTS[generation]
    return _body_build(
        layout,
        task=reply.task.pack(),
        pool=reply.pool,
        method=reply.method,
        message_type=MessageType.REPLY,
        reply_port=0 if layout.has_reply_port else None,
        stream=REPLY_HEAD.pack(reply.return_code & U32_MAX, reply.completer) + reply.output,
    )


# --- common -----------------------------------------------------------------------------


def _body_build(
    layout: Layout,
    *,
    task: bytes,
    pool: tuple[int, int],
    method: int,
    message_type: MessageType,
    reply_port: int | None,
    stream: bytes,
) -> bytes:
    return b"".join(
        (
            COUNTS.pack(0, 0, 0, 0, 1),
            task,
            ADDRESSING.pack(*pool, method, message_type),
            b"" if reply_port is None else DIALBACK.pack(reply_port),
            SENDER.pack(0, 0) if layout.has_sender else b"",
            U64.pack(len(stream)),
            stream,
        )
    )


def _body_parse(
    body: bytes, layout: Layout, message_type: MessageType
) -> tuple[TaskId, tuple[int, int], int, int | None, bytes]:
    """Task id, pool, method, reply port and task stream of a body, all lengths checked."""
    if not layout.stream_at <= len(body) <= MAX_BODY_BYTES:
        raise FrameError(f"body of {len(body)} bytes, at least {layout.stream_at} due")
    counts = COUNTS.unpack_from(body, 0)
    if counts != (0, 0, 0, 0, 1):
        raise FrameError(f"header counts {counts}, expected (0, 0, 0, 0, 1)")
    pid, _, sequence, _, _, _, key = TASK_ID.unpack_from(body, COUNTS.size)
    at = COUNTS.size + TASK_ID.size
    major, minor, method, found_type = ADDRESSING.unpack_from(body, at)
    if found_type != message_type:
        raise FrameError(f"message type {found_type}, expected {int(message_type)}")
    at += ADDRESSING.size
    port = DIALBACK.unpack_from(body, at)[0] if layout.has_reply_port else None
    length = U64.unpack_from(body, layout.stream_length_at)[0]
    if length != len(body) - layout.stream_at:
        raise FrameError(f"stream of {length} bytes announced, {len(body) - layout.stream_at} came")
    task = TaskId(key=key, pid=pid, sequence=sequence)
    return task, (major, minor), method, port, body[layout.stream_at :]


def _within(what: str, value: int, highest: int) -> int:
    if not 0 <= value <= highest:
        raise FrameError(f"{what} must be 0..{highest}, got {value}")
    return value
