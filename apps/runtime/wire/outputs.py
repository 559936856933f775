"""What each method answers: its output, read with every count checked, and built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.runtime.types import WireGeneration
from apps.runtime.wire.layout import (
    CONNECT_HEAD,
    LAYOUTS,
    MAX_PARTS,
    PART_HEAD,
    U64,
    FrameError,
)


@dataclass(frozen=True, slots=True)
class ConnectOutput:
    """What ClientConnect answers. ``boot`` differs after each restart of the process."""

    response: int
    boot: int
    server_pid: int


def monitor_output_parse(output: bytes) -> dict[int, bytes]:
    """Container id → bytes. Raises FrameError before it believes a count or a length."""
    if len(output) < U64.size:
        raise FrameError(f"monitor output of {len(output)} bytes has no count")
    count = U64.unpack_from(output, 0)[0]
    room = (len(output) - U64.size) // PART_HEAD.size
    if count > min(room, MAX_PARTS):
        raise FrameError(f"{count} parts announced, {len(output)} bytes hold at most {room}")
    parts: dict[int, bytes] = {}
    at = U64.size
    for _ in range(count):
        if len(output) - at < PART_HEAD.size:
            raise FrameError(f"part {len(parts)} of {count} is cut off")
        container_id, length = PART_HEAD.unpack_from(output, at)
        at += PART_HEAD.size
        if length > len(output) - at:
            raise FrameError(f"part of {length} bytes announced, {len(output) - at} are left")
        if container_id in parts:
            raise FrameError(f"container {container_id} answers twice")
        parts[container_id] = output[at : at + length]
        at += length
    if at != len(output):
        raise FrameError(f"{len(output) - at} bytes after the last part")
    return parts


def monitor_output_build(parts: Mapping[int, bytes]) -> bytes:
    chunks = [U64.pack(len(parts))]
    for container_id, data in parts.items():
        chunks += (PART_HEAD.pack(container_id, len(data)), data)
    return b"".join(chunks)


def connect_output_parse(output: bytes) -> ConnectOutput:
    """ClientConnect's answer; what follows the first 16 bytes is of no use over TCP."""
    if len(output) < CONNECT_HEAD.size:
        raise FrameError(f"connect output of {len(output)} bytes, {CONNECT_HEAD.size} due")
    return ConnectOutput(*CONNECT_HEAD.unpack_from(output, 0))


def connect_output_build(output: ConnectOutput, generation: WireGeneration) -> bytes:
    """The head as given, then zeros up to the generation's size."""
    head = CONNECT_HEAD.pack(output.response, output.boot, output.server_pid)
    return head.ljust(LAYOUTS[generation].connect_output_bytes, b"\0")


def stop_output_parse(output: bytes) -> str:
    """StopRuntime's error message; empty when it went well."""
    return text_parse(output, "error message")


def stop_output_build(message: str) -> bytes:
    text = message.encode()
    return U64.pack(len(text)) + text


def text_parse(data: bytes, what: str) -> str:
    """A string: u64 count, then as many bytes of UTF-8, and nothing more."""
    if len(data) < U64.size:
        raise FrameError(f"{what} is cut off")
    length = U64.unpack_from(data, 0)[0]
    if length != len(data) - U64.size:
        raise FrameError(f"{what} of {length} bytes announced, {len(data) - U64.size} came")
    return data[U64.size :].decode(errors="replace")
