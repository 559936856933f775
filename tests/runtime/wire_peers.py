"""Peers that record what a client sends, and answer only what a test tells them to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

import zmq

from apps.runtime.errors import RuntimeUnreachable
from apps.runtime.types import CLIENT_PORT_OFFSET, Target, WireGeneration
from apps.runtime.wire.client import WireClient
from apps.runtime.wire.detection import DetectionTimes
from apps.runtime.wire.frames import Request, request_parse
from apps.runtime.wire.layout import FrameError

QUICK = DetectionTimes(answer_s=0.4, pause_s=0.2)
"""Detection as always, only faster than a real runtime could be trusted with."""

WAIT_S = 30.0


def until(met: Callable[[], bool]) -> None:
    """Wait for what another thread does. Fails after a long time."""
    end = time.monotonic() + WAIT_S
    while not met():
        if time.monotonic() > end:
            raise AssertionError(f"not met within {WAIT_S} s")
        time.sleep(0.005)


def answers(client: WireClient, target: Target) -> bool:
    """Whether it does now; a runtime that is starting refuses."""
    try:
        client.host_info(target)
    except RuntimeUnreachable:
        return False
    return True


def generation_of(body: bytes) -> WireGeneration:
    """The one generation whose layout fits. Raises FrameError when none does."""
    for generation in WireGeneration:
        try:
            request_parse(body, generation)
        except FrameError:
            continue
        return generation
    raise FrameError(f"{len(body)} bytes of no generation")


class RecordingPeer:
    """Makes the ZeroMQ handshake and never answers. With ``dials_back`` it connects to the
    port that a 2.3 request names, once, as a 2.2 runtime does."""

    def __init__(self, node_id: int = 0, *, dials_back: bool = False) -> None:
        self.bodies: list[bytes] = []
        self.identities: set[bytes] = set()
        self._dials_back = dials_back
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 0
        port = self._router.bind_to_random_port("tcp://127.0.0.1", min_port=30_000)
        self.target = Target(node_id, "127.0.0.1", port - CLIENT_PORT_OFFSET)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._dealer: zmq.Socket[bytes] | None = None

    @property
    def generations(self) -> list[WireGeneration]:
        return [generation_of(body) for body in self.bodies]

    def __enter__(self) -> RecordingPeer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _serve(self) -> None:
        while not self._ending.is_set():
            if not self._router.poll(20):
                continue
            identity, _, body = self._router.recv_multipart()
            self.identities.add(identity)
            self.bodies.append(body)
            if self._dials_back and self._dealer is None:
                self._dial(request_parse(body, WireGeneration.V2_3))

    def _dial(self, request: Request) -> None:
        self._dealer = self._context.socket(zmq.DEALER)
        self._dealer.linger = 0
        self._dealer.connect(f"tcp://127.0.0.1:{request.reply_port}")
