"""Every recorded frame of six releases is built and read byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apps.runtime.types import Route, RouteMode, WireGeneration
from apps.runtime.wire import frames, outputs
from apps.runtime.wire.frames import Reply, Request, TaskId
from apps.runtime.wire.layout import (
    MAX_QUERY_BYTES,
    NO_CONTAINER,
    ROUTE_MODES,
    FrameError,
    Method,
)

VECTORS = Path(__file__).parent.parent / "vectors"
RELEASES = ["2.0.0", "2.1.0", "2.2.0", "2.2.1", "2.3.1", "2.3.2", "2.3.2-cluster4"]


def exchanges() -> list[Any]:
    found = []
    for release in RELEASES:
        recorded = json.loads((VECTORS / f"{release}.json").read_text())
        generation = WireGeneration(recorded["generation"])
        for exchange in recorded["exchanges"]:
            name = f"{release} {exchange['name']}"
            found.append(pytest.param(generation, exchange, id=name))
    return found


def answered() -> list[Any]:
    return [param for param in exchanges() if param.values[1]["reply"] is not None]


def route_of(recorded: dict[str, Any]) -> Route:
    mode = ROUTE_MODES[recorded["mode"]]
    values = {
        RouteMode.DIRECT_ID: recorded["container"],
        RouteMode.DIRECT_HASH: recorded["hash"],
        RouteMode.PHYSICAL: recorded["node"],
        RouteMode.RANGE: recorded["off"],
    }
    return Route(mode, values.get(mode), recorded["count"] if mode is RouteMode.RANGE else None)


def request_of(exchange: dict[str, Any]) -> Request:
    told = exchange["request_decoded"]
    method = Method(told["method"])
    return Request(
        method=method,
        task=TaskId(key=told["key"], pid=told["pid"], sequence=told["seq"]),
        route=route_of(told["route"]),
        pool=tuple(told["pool"]),
        query=told["query"],
        grace_ms=3000 if method is Method.STOP_RUNTIME else None,
        reply_port=told["reply_port"],
    )


def test_all_releases_are_there() -> None:
    assert len(exchanges()) == 6 * 12 + 8
    assert len(answered()) == len(exchanges()) - 3  # 2.0.0, 2.1.0, 2.2.0 die of a stop


@pytest.mark.parametrize(("generation", "exchange"), exchanges())
def test_request_is_built_byte_for_byte(
    generation: WireGeneration, exchange: dict[str, Any]
) -> None:
    assert frames.request_build(request_of(exchange), generation).hex() == exchange["request"]


@pytest.mark.parametrize(("generation", "exchange"), exchanges())
def test_request_is_read_back(generation: WireGeneration, exchange: dict[str, Any]) -> None:
    body = bytes.fromhex(exchange["request"])
    assert frames.request_parse(body, generation) == request_of(exchange)


@pytest.mark.parametrize(("generation", "exchange"), answered())
def test_reply_is_read(generation: WireGeneration, exchange: dict[str, Any]) -> None:
    body = bytes.fromhex(exchange["reply"])
    told = exchange["reply_decoded"]
    reply = frames.reply_parse(body, generation)
    assert frames.reply_key(body) == reply.task.key == told["key"]
    assert (reply.method, list(reply.pool)) == (told["method"], told["pool"])
    assert (reply.return_code, reply.completer) == (told["rc"], told["completer"])
    assert len(reply.output) == told["out_len"]
    if reply.method == Method.MONITOR:
        parts = outputs.monitor_output_parse(reply.output)
        assert {str(k): v.hex() for k, v in parts.items()} == told["results_hex"]
    elif reply.method == Method.CLIENT_CONNECT:
        connect = outputs.connect_output_parse(reply.output)
        expected = told["connect"]
        assert connect.response == expected["response"]
        assert connect.boot == expected["generation"]
        assert connect.server_pid == expected["server_pid"]
    else:
        assert outputs.stop_output_parse(reply.output) == told["error_message"]


@pytest.mark.parametrize(("generation", "exchange"), answered())
def test_reply_is_built_byte_for_byte(generation: WireGeneration, exchange: dict[str, Any]) -> None:
    body = bytes.fromhex(exchange["reply"])
    reply = frames.reply_parse(body, generation)
    output = reply.output
    if reply.method == Method.MONITOR:
        output = outputs.monitor_output_build(outputs.monitor_output_parse(output))
    elif reply.method == Method.STOP_RUNTIME:
        output = outputs.stop_output_build(outputs.stop_output_parse(output))
    built = Reply(reply.task, reply.method, reply.pool, reply.return_code, reply.completer, output)
    assert frames.reply_build(built, generation) == body


@pytest.mark.parametrize("generation", list(WireGeneration))
def test_connect_output_round_trip(generation: WireGeneration) -> None:
    told = outputs.ConnectOutput(response=0, boot=4350241753646, server_pid=21924)
    output = outputs.connect_output_build(told, generation)
    assert outputs.connect_output_parse(output) == told
    assert len(output) == (864 if generation is WireGeneration.V2_0 else 1152)


@pytest.mark.parametrize(("generation", "exchange"), answered())
def test_every_cut_of_a_reply_is_refused(
    generation: WireGeneration, exchange: dict[str, Any]
) -> None:
    body = bytes.fromhex(exchange["reply"])
    step = max(1, len(body) // 400)
    for length in range(0, len(body), step):
        with pytest.raises(FrameError):
            frames.reply_parse(body[:length], generation)


@pytest.mark.parametrize("generation", list(WireGeneration))
def test_the_generations_do_not_read_each_other(generation: WireGeneration) -> None:
    task = TaskId(key=7)
    output = outputs.monitor_output_build({0: b"\x90"})
    body = frames.reply_build(Reply(task, Method.MONITOR, (1, 0), 0, 0, output), generation)
    for other in WireGeneration:
        if other is not generation:
            with pytest.raises(FrameError):
                frames.reply_parse(body, other)


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"\x01" * 7,
        (2**63).to_bytes(8, "little"),
        (1).to_bytes(8, "little"),
        (1).to_bytes(8, "little") + b"\0" * 4 + (2**40).to_bytes(8, "little"),
        (2).to_bytes(8, "little") + (b"\0" * 4 + (0).to_bytes(8, "little")) * 2,
        (2).to_bytes(8, "little") + b"\0" * 4 + (10).to_bytes(8, "little") + b"x" * 12,
        (0).to_bytes(8, "little") + b"more",
    ],
)
def test_lies_about_counts_and_lengths_are_refused(output: bytes) -> None:
    with pytest.raises(FrameError):
        outputs.monitor_output_parse(output)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"query": "x" * (MAX_QUERY_BYTES + 1)}, "at most 512"),
        ({"query": None}, "needs a query"),
        ({"reply_port": None}, "reply port"),
        ({"reply_port": 70_000}, "reply port"),
        ({"task": TaskId(key=-1)}, "key must be"),
        ({"task": TaskId(key=2**64)}, "key must be"),
        ({"route": Route(RouteMode.PHYSICAL)}, "needs a value"),
        ({"route": Route(RouteMode.LOCAL, 3)}, "takes no value"),
        ({"route": Route(RouteMode.RANGE, 1)}, "needs a count"),
        ({"route": Route(RouteMode.DIRECT_ID, 2**32)}, "container id"),
        ({"method": Method.STOP_RUNTIME}, "needs grace_ms"),
        ({"method": Method.STOP_RUNTIME, "grace_ms": -1}, "grace_ms must be"),
    ],
)
def test_a_doubtful_request_is_not_built(change: dict[str, Any], said: str) -> None:
    good: dict[str, Any] = {
        "method": Method.MONITOR,
        "task": TaskId(key=1),
        "query": "get_host_info",
        "reply_port": 4000,
    }
    frames.request_build(Request(**good), WireGeneration.V2_3)
    with pytest.raises(FrameError, match=said):
        frames.request_build(Request(**(good | change)), WireGeneration.V2_3)


def test_a_legacy_frame_takes_no_reply_port() -> None:
    request = Request(Method.MONITOR, TaskId(key=1), query="a", reply_port=4000)
    with pytest.raises(FrameError, match="no reply port"):
        frames.request_build(request, WireGeneration.V2_0)


def test_local_routes_carry_no_container() -> None:
    assert frames.route_build(Route.local())[8:12] == NO_CONTAINER.to_bytes(4, "little")


def test_a_network_timeout_reads_as_minus_1000() -> None:
    output = outputs.monitor_output_build({})
    reply = Reply(TaskId(key=1), Method.MONITOR, (1, 0), -1000, 0, output)
    body = frames.reply_build(reply, WireGeneration.V2_3)
    assert b"\x18\xfc\xff\xff" in body
    assert frames.reply_parse(body, WireGeneration.V2_3).return_code == -1000
