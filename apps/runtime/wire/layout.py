"""Where each field of a body stands, per wire generation. Little-endian, no padding."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from apps.runtime.types import RouteMode, WireGeneration

ADMIN_POOL = (1, 0)

MAX_QUERY_BYTES = 512
"""Longer queries are refused before they are sent."""

MAX_BODY_BYTES = 16 * 1024 * 1024
"""A reply that announces more is refused by the socket itself."""

MAX_PARTS = 65_536
"""More containers than any cluster has; a larger count is a lie."""

KEY_AT = 64
"""Offset of the u64 key in every body of every generation."""

NO_CONTAINER = 0xFFFFFFFF
DEFAULT_TIMEOUT_S = -1.0
PARALLELISM = 32


class FrameError(Exception):
    """A body is not what its generation promises. Says which field and why."""


class Method(IntEnum):
    """Methods of the admin pool that a client may call."""

    MONITOR = 9
    STOP_RUNTIME = 12
    CLIENT_CONNECT = 16


class MessageType(IntEnum):
    REQUEST = 0
    REPLY = 1


ROUTE_CODES: dict[RouteMode, int] = {
    RouteMode.LOCAL: 0,
    RouteMode.DIRECT_ID: 1,
    RouteMode.DIRECT_HASH: 2,
    RouteMode.RANGE: 3,
    RouteMode.BROADCAST: 4,
    RouteMode.PHYSICAL: 5,
    RouteMode.DYNAMIC: 6,
}
ROUTE_MODES = {code: mode for mode, code in ROUTE_CODES.items()}

COUNTS = struct.Struct("<5Q")
"""Bulk descriptors send and recv, transfers announced and expected, task infos."""

TASK_ID = struct.Struct("<6IQ")
"""pid, tid, major, replica, unique, node, key."""

ADDRESSING = struct.Struct("<3IB")
"""Pool major and minor, method, message type."""

DIALBACK = struct.Struct("<i")
"""The port a runtime dials back to; in a reply 0."""

SENDER = struct.Struct("<2Q")
"""Sender node and incarnation; a client sends 0, 0."""

U64 = struct.Struct("<Q")
POOL = struct.Struct("<2I")

ROUTE = struct.Struct("<7I")
"""Mode, hash, container id, range offset, range count, node id, return node."""

BATCH = struct.Struct("<2Q")
TAIL = struct.Struct("<2Id2I")
"""Method, flags, period ns, return code, completer."""

REPLY_HEAD = struct.Struct("<2I")
"""Return code, completer."""

PART_HEAD = struct.Struct("<IQ")
"""Container id, length of the bytes that follow."""

STOP_ARGUMENTS = struct.Struct("<2I")
"""Flags, grace period ms."""

CONNECT_HEAD = struct.Struct("<iQi")
"""Response (0 is ok), generation number of the process, server pid."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One generation's offsets, bytes from the start of a body unless said."""

    generation: WireGeneration
    has_reply_port: bool
    has_sender: bool
    has_ttl_and_batch: bool
    stream_length_at: int
    stream_at: int
    arguments_at: int
    """Method arguments, bytes from the start of the task stream."""
    connect_output_bytes: int

    @property
    def dials_back(self) -> bool:
        """Whether the runtime answers on a socket that it dials, not on ours."""
        return self.has_reply_port

    @property
    def fixed_bytes(self) -> int:
        """Size of a request body without method arguments."""
        return self.stream_at + self.arguments_at


LAYOUTS: dict[WireGeneration, Layout] = {
    WireGeneration.V2_0: Layout(WireGeneration.V2_0, False, False, False, 85, 93, 100, 864),
    WireGeneration.V2_2: Layout(WireGeneration.V2_2, True, False, True, 89, 97, 120, 1152),
    WireGeneration.V2_3: Layout(WireGeneration.V2_3, True, True, True, 105, 113, 120, 1152),
}
